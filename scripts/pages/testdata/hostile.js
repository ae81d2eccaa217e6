// What a hostile page uses. said is what it learned.
const said = [], A = K.agent + K.root;
const say = (...words) => { said.push(words.map(String).join(" ")); };
const wait = ms => new Promise(done => setTimeout(done, ms));
const put = (tag, fields) => {
	const e = document.createElement(tag);
	for (const k in fields) e.setAttribute(k, fields[k]);
	document.body.append(e);
	return e;
};
// event is the first of the element's events, or "silence".
const event = (e, ...names) => new Promise(done => {
	for (const n of names) e.addEventListener(n, () => done(n));
	setTimeout(() => done("silence"), 6000);
});
// read tries to read an address.
const read = async (address, how) => {
	try {
		const r = await fetch(address, how);
		const text = await r.text();
		say(r.type, r.status, r.redirected, text.length, text);
	} catch (e) { say(e.name); }
};
const ask = (method, address, body, kind, credentials) => new Promise(done => {
	const x = new XMLHttpRequest();
	x.withCredentials = credentials;
	x.onloadend = () => { say("xhr", x.status, x.responseText.length, x.responseText, x.getAllResponseHeaders()); done(); };
	try {
		x.open(method, address);
		if (kind) x.setRequestHeader("Content-Type", kind);
		x.send(body);
	} catch (e) { say(e.name); done(); }
});
const form = fields => new URLSearchParams(Object.assign({ _token: K.token }, fields)).toString();
const english = () => form({ language: "en", back: "/" });
// send has a form sent into a window of its own, or into a frame.
const send = async (address, fields, how = {}) => {
	const f = put("form", { action: address, method: how.method || "post", enctype: how.kind || "application/x-www-form-urlencoded", target: "w" + Math.random() });
	for (const k in Object.assign({ _token: K.token }, fields)) {
		const i = document.createElement("input");
		i.type = "hidden"; i.name = k; i.value = k === "_token" ? K.token : fields[k];
		f.append(i);
	}
	if (how.frame) {
		const frame = put("iframe", { name: f.target });
		await wait(20);
		const loaded = event(frame, "load");
		f.submit();
		say(await loaded);
		return;
	}
	f.submit();
	await wait(120);
};
// settled waits until a window shows what it was sent to: it is out of reach then,
// or can be read.
const settled = async w => {
	for (let i = 0; i < 60 && !w.closed; i++) {
		try { if (w.location.href !== "about:blank" && w.document.readyState === "complete") return; } catch (e) { }
		await wait(20);
	}
	await wait(50);
};
// look opens a window and tells what can be seen of it.
const look = async (address, name) => {
	const w = window.open(address, name || "");
	if (!w) { say("no window"); return null; }
	await settled(w);
	try { say("closed", w.closed, "frames", w.length); } catch (e) { say(e.name); }
	try { say(w.location.href, w.document.body.innerText); } catch (e) { say(e.name); }
	try { say(w.history.length); } catch (e) { say(e.name); }
	return w;
};
// sized tells what the browser lets on of sizes and times of what was loaded.
const sized = async () => {
	const theirs = () => performance.getEntriesByType("resource").filter(e => !e.name.includes(":" + K.here + "/"));
	for (let i = 0; i < 50 && !theirs().length; i++) await wait(20);
	for (const line of new Set(theirs().map(e => [e.initiatorType, e.transferSize, e.encodedBodySize, e.decodedBodySize, e.responseStatus, e.redirectStart].join(" ")))) say(line);
};
// inside runs a script in a sandboxed frame, which tells what it learned.
const inside = async (attribute, script) => {
	const frame = put("iframe", { sandbox: "allow-scripts allow-forms allow-popups" });
	const head = "<script>const K = " + JSON.stringify(K) + ", A = K.agent + K.root; const say = (...w) => parent.postMessage(w.map(String).join(' '), '*');<\/script>";
	const html = head + "<body><script>(async () => {" + script + "})().catch(e => say(e.name)).then(() => say('end'))<\/script>";
	const end = new Promise(done => { addEventListener("message", m => { if (m.data === "end") done(); else say(m.data); }); setTimeout(done, 5000); });
	frame.setAttribute(attribute, attribute === "src" ? "data:text/html;charset=utf-8," + encodeURIComponent(html) : html);
	await end;
};
const run = async attack => {
	try { await attack(); } catch (e) { say("threw", e.name, e.message); }
	await wait(30);
	window.over = true;
};
