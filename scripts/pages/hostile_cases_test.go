package pages

// hostilePage is a case.
type hostilePage struct {
	name string
	// from is the host of the page: "" is evil.test, "file" a page on the disk. One
	// with a path is the agent itself, by another name.
	from   string
	script string
	// link gives the page a link to the agent's pages that was not used yet.
	link bool
	// policy is the page's own Content-Security-Policy.
	policy string
	// says is part of what the page tells when it came as far as it should.
	says string
}

// On another port of the host of the agent's pages, which browsers take for the
// same site, and of this machine by its other name.
const (
	neighbour = "127.0.0.1"
	localhost = "localhost"
)

var hostilePages = []hostilePage{
	// Reading, from another site.
	{name: "fetch with credentials", script: `await read(A + "/", {credentials: "include"});`, says: "TypeError"},
	{name: "fetch without credentials", script: `await read(A + "/", {credentials: "omit"});`, says: "TypeError"},
	{name: "fetch without cors, and its size", script: `await read(A + "/find", {mode: "no-cors", credentials: "include"}); await sized();`},
	{name: "fetch that may follow no redirect", script: `await read(A + "/record/household/new", {mode: "no-cors", credentials: "include", redirect: "manual"}); await sized();`},
	{name: "fetch from the cache", script: `await read(K.agent + K.css, {mode: "no-cors", cache: "force-cache"}); await sized();`},
	{name: "XHR with credentials", script: `await ask("GET", A + "/", null, "", true);`, says: "xhr 0 0"},
	{name: "XHR without credentials", script: `await ask("GET", A + "/", null, "", false);`, says: "xhr 0 0"},
	{name: "XHR for the door of commands", script: `await ask("GET", K.agent + "/command", null, "", true);`, says: "xhr 0 0"},
	{name: "EventSource", script: `const s = new EventSource(A + "/sync", {withCredentials: true}); say(await event(s, "open", "message", "error")); s.close();`, says: "error"},
	{name: "WebSocket", script: `const s = new WebSocket(A.replace("http", "ws") + "/"); say(await event(s, "open", "error"));`, says: "error"},
	{name: "image, whether it loads", script: `const i = put("img", {src: K.agent + K.icon}); say(await event(i, "load", "error"), i.naturalWidth); await sized();`, says: "error"},
	{name: "page as image", script: `const i = put("img", {src: A + "/find"}); say(await event(i, "load", "error"), i.naturalWidth); await sized();`, says: "error"},
	{name: "script, whether it loads", script: `const s = put("script", {src: K.agent + K.js}); say(await event(s, "load", "error")); await sized();`, says: "error"},
	{name: "page as script", script: `window.onerror = m => say(m); const s = put("script", {src: A + "/"}); say(await event(s, "load", "error"));`, says: "error"},
	{name: "module", script: `try { await import(K.agent + K.js); say("imported"); } catch (e) { say(e.name); }`, says: "TypeError"},
	{name: "style, whether it loads", script: `const s = put("link", {rel: "stylesheet", href: K.agent + K.css}); say(await event(s, "load", "error"), getComputedStyle(document.body).fontFamily); await sized();`, says: "error"},
	{name: "style imported by a style", script: `const s = put("link", {rel: "stylesheet", href: "/style?css=" + encodeURIComponent("@import url(" + K.agent + K.css + ");")}); say(await event(s, "load", "error"), getComputedStyle(document.body).fontFamily, getComputedStyle(document.body).maxWidth);`},
	{name: "font", script: `const f = new FontFace("x", "url(" + A + "/)"); try { await f.load(); say("loaded"); } catch (e) { say(e.name); }`, says: "NetworkError"},
	{name: "background of a style", script: `put("div", {style: "width:9px;height:9px;background:url(" + K.agent + K.icon + ")"}); await wait(100); await sized();`},
	{name: "video", script: `const v = put("video", {src: A + "/"}); v.load(); say(await event(v, "loadeddata", "error"), v.error && v.error.code, v.error && v.error.message);`, says: "error"},
	{name: "audio with cors", script: `const v = put("audio", {src: A + "/", crossorigin: "use-credentials"}); v.load(); say(await event(v, "loadeddata", "error"));`, says: "error"},
	{name: "object", script: `const o = put("object", {data: A + "/", type: "text/html"}); say(await event(o, "load", "error"));`},
	{name: "embed", script: `const o = put("embed", {src: A + "/", type: "text/html"}); say(await event(o, "load", "error"));`},
	{name: "frame", script: `const f = put("iframe", {src: A + "/"}); say(await event(f, "load", "error")); try { say(f.contentWindow.length, f.contentDocument.body.innerText); } catch (e) { say(e.name); }`},
	{name: "frame of the door", script: `const f = put("iframe", {src: K.agent + "/"}); say(await event(f, "load", "error")); try { say(f.contentWindow.length); } catch (e) { say(e.name); }`},
	{name: "frame, and messages to it", script: `addEventListener("message", m => say("heard", m.data)); const f = put("iframe", {src: A + "/"}); say(await event(f, "load")); f.contentWindow.postMessage("tell", "*"); await wait(100);`},
	{name: "canvas of an image", script: `const i = new Image(); i.crossOrigin = "use-credentials"; i.src = K.agent + K.icon; say(await event(i, "load", "error"));`, says: "error"},
	{name: "worker", script: `try { const w = new Worker(K.agent + K.js); say(await event(w, "message", "error")); } catch (e) { say(e.name); }`},
	{name: "worker that imports", script: `const w = new Worker("/worker?js=" + encodeURIComponent("try { importScripts('" + K.agent + K.js + "'); postMessage(1); } catch (e) { throw e; }")); say(await event(w, "message", "error"));`, says: "error"},

	// Windows.
	{name: "window, and what is seen of it", script: `await look(A + "/");`, says: "closed true"},
	{name: "window of a name, found again", script: `await look(A + "/", "mine"); const w = window.open("", "mine"); try { say(w.name, w.location.href, w.document.body.innerText); } catch (e) { say(e.name); }`},
	{name: "window, and messages to it", script: `addEventListener("message", m => say("heard", m.data)); const w = await look(A + "/"); try { w.postMessage("tell", "*"); } catch (e) { say(e.name); } await wait(100);`},
	{name: "window, and its history", script: `const w = window.open("/empty"); await settled(w); w.location = A + "/"; while (!w.closed) await wait(20); try { w.location = location.origin + "/empty"; } catch (e) { say(e.name); } await wait(50); try { say(w.history.length); } catch (e) { say(e.name); }`},
	{name: "window with a name and password in its address", script: `await look(A.replace("//", "//evil:evil@") + "/");`},
	{name: "window that a redirect leads there", script: `await look("/to?url=" + encodeURIComponent(A + "/record/household/new"));`},
	{name: "window that leads to a new form", script: `await look(A + "/record/household/new");`, says: "closed true"},
	{name: "window that a page refreshes to a new form", script: `const w = window.open(""); w.document.write("<meta http-equiv=refresh content='0;url=" + A + "/record/visit/new'>"); await wait(200);`},
	{name: "click on a link to a new form", script: `const a = put("a", {href: A + "/record/household/new", target: "_blank", rel: "opener"}); a.click(); await wait(150);`},
	{name: "download", script: `put("a", {href: A + "/record/household/new", download: "x"}).click(); await wait(150);`},

	// Doing, from another site, with the form's token.
	{name: "form", script: `await send(A + "/me", {language: "en"});`},
	{name: "form in a frame", script: `await send(A + "/me", {language: "en"}, {frame: true});`},
	{name: "form in parts", script: `await send(A + "/me", {language: "en"}, {kind: "multipart/form-data"});`},
	{name: "form as plain text", script: `await send(A + "/me", {language: "en"}, {kind: "text/plain"});`},
	{name: "form that asks for a new form", script: `await send(A + "/record/household/new", {}, {method: "get"});`},
	{name: "form that asks for another method", script: `await send(A + "/me?_method=PUT", {language: "en", _method: "DELETE"});`},
	{name: "form that voids a record", script: `await send(A + "/record/household/" + K.household, {do: "void", reason: "x", _seen: ""});`},
	{name: "form that a redirect keeps", script: `await send("/to?keep=1&url=" + encodeURIComponent(A + "/me"), {language: "en"});`},
	{name: "fetch of a form", script: `await read(A + "/me", {method: "POST", mode: "no-cors", credentials: "include", headers: {"Content-Type": "application/x-www-form-urlencoded"}, body: english()});`},
	{name: "fetch of a form that outlives the page", script: `await read(A + "/me", {method: "POST", mode: "no-cors", credentials: "include", keepalive: true, body: new URLSearchParams(english())});`},
	{name: "fetch of JSON as plain text", script: `await read(A + "/me", {method: "POST", mode: "no-cors", credentials: "include", headers: {"Content-Type": "text/plain"}, body: JSON.stringify({_token: K.token, language: "en"})});`},
	{name: "fetch of JSON", script: `await read(A + "/me", {method: "POST", credentials: "include", headers: {"Content-Type": "application/json"}, body: "{}"});`, says: "TypeError"},
	{name: "fetch by other methods", script: `for (const m of ["PUT", "DELETE", "PATCH", "OPTIONS"]) await read(A + "/me", {method: m, credentials: "include", body: english()});`, says: "TypeError"},
	{name: "fetch that overrides the method", script: `await read(A + "/me", {method: "POST", credentials: "include", headers: {"X-HTTP-Method-Override": "PUT"}, body: english()});`, says: "TypeError"},
	{name: "sendBeacon", script: `say(navigator.sendBeacon(A + "/me", new URLSearchParams(english()))); await wait(150);`},
	{name: "ping of a link", script: `put("a", {href: "#", ping: A + "/me"}).click(); await wait(100);`},
	{name: "XHR of a form", script: `await ask("POST", A + "/me", english(), "application/x-www-form-urlencoded", true);`, says: "xhr 0 0"},
	{name: "command", script: `await read(K.agent + "/command", {method: "POST", mode: "no-cors", body: "x"}); await read(K.agent + "/command", {method: "POST", headers: {"Zhucun-Challenge": "x"}, body: "x"});`},
	{name: "image that makes a draft", script: `put("img", {src: A + "/record/household/new"}); await wait(100);`},
	{name: "image that a redirect leads to a new form", script: `put("img", {src: "/to?url=" + encodeURIComponent(A + "/record/household/new")}); await wait(100);`},
	{name: "prefetch", script: `put("link", {rel: "prefetch", href: A + "/record/household/new"}); put("link", {rel: "preload", as: "fetch", href: A + "/record/visit/new", crossorigin: "use-credentials"}); await wait(120);`},
	{name: "prerender", script: `const s = document.createElement("script"); s.type = "speculationrules"; s.textContent = JSON.stringify({prerender: [{urls: [A + "/record/household/new"], eagerness: "immediate"}], prefetch: [{urls: [A + "/record/visit/new"], eagerness: "immediate"}]}); document.head.append(s); await wait(200);`},
	{name: "policy that reports where redirects lead", policy: "frame-src http://evil.test:* http://127.0.0.1:*/open; connect-src *", script: `document.addEventListener("securitypolicyviolation", e => say(e.blockedURI)); put("iframe", {src: A + "/record/household/new"}); await wait(100);`},

	// Of no origin.
	{name: "sandbox: fetch", script: `await inside("srcdoc", "const r = await fetch(A + '/', {credentials: 'include'}); say(await r.text())");`, says: "TypeError"},
	{name: "sandbox: form", script: `await inside("srcdoc", "const f = document.createElement('form'); f.method = 'post'; f.target = '_blank'; f.action = A + '/me'; f.innerHTML = '<input name=_token value=' + K.token + '><input name=language value=en>'; document.body.append(f); f.submit(); await new Promise(d => setTimeout(d, 120)); say('sent')");`, says: "sent"},
	{name: "data page: fetch", script: `await inside("src", "const r = await fetch(A + '/', {credentials: 'include'}); say(await r.text())");`, says: "TypeError"},
	{name: "data page: beacon", script: `await inside("src", "say(navigator.sendBeacon(A + '/me', new URLSearchParams({_token: K.token, language: 'en'})))"); await wait(100);`},
	{name: "blob page", script: `const f = put("iframe", {src: URL.createObjectURL(new Blob(["<script>fetch('" + A + "/me', {method: 'POST', mode: 'no-cors', credentials: 'include', body: new URLSearchParams('" + english() + "')}).then(r => parent.postMessage(r.type, '*'), e => parent.postMessage(e.name, '*'))<\/script>"], {type: "text/html"}))}); say(await new Promise(d => { addEventListener("message", m => d(m.data)); setTimeout(d, 700); }));`},
	{name: "file: fetch", from: "file", script: `await read(A + "/", {credentials: "include"});`, says: "TypeError"},
	{name: "file: form", from: "file", script: `await send(A + "/me", {language: "en"});`},
	{name: "file: new form", from: "file", script: `await look(A + "/record/household/new");`},

	// From another port of the agent's own host: the same site to a browser, which
	// sends the cookie along.
	{name: "neighbour: fetch", from: neighbour, script: `await read(A + "/", {credentials: "include"});`, says: "TypeError"},
	{name: "neighbour: fetch without cors, and its size", from: neighbour, script: `await read(A + "/find", {mode: "no-cors", credentials: "include"}); await sized();`},
	{name: "neighbour: form", from: neighbour, script: `await send(A + "/me", {language: "en"});`},
	{name: "neighbour: form in a frame", from: neighbour, script: `await send(A + "/me", {language: "en"}, {frame: true});`},
	{name: "neighbour: fetch of a form", from: neighbour, script: `await read(A + "/me", {method: "POST", mode: "no-cors", credentials: "include", body: new URLSearchParams(english())});`},
	{name: "neighbour: beacon", from: neighbour, script: `navigator.sendBeacon(A + "/me", new URLSearchParams(english())); await wait(150);`},
	{name: "neighbour: new form", from: neighbour, script: `await look(A + "/record/household/new");`, says: "closed true"},
	{name: "neighbour: image that makes a draft", from: neighbour, script: `put("img", {src: A + "/record/household/new"}); await wait(100);`},
	{name: "neighbour: frame", from: neighbour, script: `const f = put("iframe", {src: A + "/"}); say(await event(f, "load")); try { say(f.contentWindow.length); } catch (e) { say(e.name); }`},
	{name: "neighbour: frame of an asset", from: neighbour, script: `const f = put("iframe", {src: K.agent + K.icon}); say(await event(f, "load"));`},
	{name: "neighbour: image, whether it loads", from: neighbour, script: `const i = put("img", {src: K.agent + K.icon}); say(await event(i, "load", "error"), i.naturalWidth); await sized();`, says: "error"},
	{name: "neighbour: script and style, whether they load", from: neighbour, script: `say(await event(put("script", {src: K.agent + K.js}), "load", "error")); say(await event(put("link", {rel: "stylesheet", href: K.agent + K.css}), "load", "error")); await sized();`, says: "error"},
	{name: "neighbour: WebSocket and EventSource", from: neighbour, script: `say(await event(new WebSocket(A.replace("http", "ws") + "/"), "open", "error")); const s = new EventSource(A + "/sync", {withCredentials: true}); say(await event(s, "open", "error")); s.close();`, says: "error"},
	{name: "neighbour: window", from: neighbour, script: `await look(A + "/household/" + K.household);`, says: "closed true"},
	{name: "neighbour: service worker", from: neighbour, script: `const r = await navigator.serviceWorker.register("/worker?js=" + encodeURIComponent("addEventListener('message', async m => { try { const r = await fetch(m.data, {mode: 'no-cors', credentials: 'include'}); m.source.postMessage(r.type + (await r.text()).length); } catch (e) { m.source.postMessage(e.name); } })"));
		const s = r.active || r.waiting || r.installing; say(await new Promise(d => { navigator.serviceWorker.onmessage = m => d(m.data); s.postMessage(A + "/record/household/new"); setTimeout(() => d("silence"), 900); })); await r.unregister();
		try { await navigator.serviceWorker.register(K.agent + K.js); say("registered"); } catch (e) { say(e.name); }`, says: "SecurityError"},
	{name: "neighbour: domain and cookies", from: neighbour, script: `try { document.domain = "127.0.0.1"; } catch (e) { say(e.name); } say("cookie", document.cookie);`, says: "cookie "},
	{name: "neighbour: cookie of the session's name", from: neighbour, script: `for (const p of ["/", K.root, K.root + "/", K.root + "/me"]) document.cookie = "zhucun-" + K.port + "=evil; path=" + p; await wait(50);`},
	{name: "localhost: fetch of the other name", from: localhost, script: `await read(A.replace("127.0.0.1", "localhost") + "/", {credentials: "include"}); await read(A.replace("127.0.0.1", "localhost") + "/find", {mode: "no-cors", credentials: "include"}); await sized();`},
	{name: "localhost: form", from: localhost, script: `await send(A + "/me", {language: "en"}); await send(A.replace("127.0.0.1", "localhost") + "/me", {language: "en"});`},

	// Other names of this machine.
	{name: "other addresses of this machine", script: `for (const host of ["[::1]", "0.0.0.0", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.0.0.2", "LOCALHOST", "localhost.", "127.0.0.1."]) { say(host); await read("http://" + host + ":" + K.port + K.root + "/", {credentials: "include"}); await read("http://" + host + ":" + K.port + K.root + "/record/household/new", {mode: "no-cors", credentials: "include"}); }`},
	{name: "decimal address", script: `await look(A.replace("127.0.0.1", "2130706433") + "/record/household/new");`, says: "closed true"},
	{name: "trailing dot", from: "localhost.:PORTROOT/", script: ``, says: "page "},
	{name: "all addresses", from: "0.0.0.0:PORTROOT/", script: ``, says: "page "},
	{name: "another loopback address", from: "127.0.0.9:PORTROOT/", script: ``, says: "page "},

	// Names that come to lead to this machine.
	{name: "name that leads here", from: "direct.test:PORTROOT/", script: ``, says: "page "},
	{name: "name that leads here: the door", from: "direct.test:PORT/", script: ``, says: "page "},
	{name: "name that leads here, with a new form", from: "direct.test:PORTROOT/record/household/new", script: ``, says: "page "},
	{name: "rebinding: reading", from: "rebind.test", script: `await read(K.root + "/"); await read("/"); await read("/command"); await read(K.css); await read("/command", {headers: {"Zhucun-Challenge": "x"}});`, says: "basic 421"},
	{name: "rebinding: doing", from: "rebind.test", script: `await read(K.root + "/me", {method: "POST", body: new URLSearchParams(english())}); await read("/command", {method: "POST", headers: {"Zhucun-Challenge": "x"}, body: "x"});`, says: "basic 421"},
	{name: "rebinding: a link to the pages", from: "rebind.test", link: true, script: `await look(K.link); await read(K.root + "/"); await read(K.root + "/me", {method: "POST", body: new URLSearchParams(english())});`, says: "basic 421"},
	{name: "rebinding: the user's name for it in a cookie", from: "rebind.test", script: `document.cookie = "zhucun-" + K.port + "=x; path=/"; await read(K.root + "/");`, says: "basic 421"},

	// Links to the pages.
	{name: "link: fetched", link: true, script: `await read(K.agent + K.link, {mode: "no-cors", credentials: "include"}); await read(K.agent + K.link, {credentials: "include"});`},
	{name: "link: image and frame", link: true, script: `put("img", {src: K.agent + K.link}); put("iframe", {src: K.agent + K.link}); await wait(120);`},
	{name: "link: prefetched", from: neighbour, link: true, script: `put("link", {rel: "prefetch", href: K.agent + K.link}); await wait(120);`},
	{name: "link: from another port, fetched", from: neighbour, link: true, script: `await read(K.agent + K.link, {mode: "no-cors", credentials: "include"});`},
	{name: "link: a form", link: true, script: `await send(K.agent + K.link, {});`},
	{name: "link: guessed", script: `for (const k of ["", "x", "A".repeat(43)]) await look(K.agent + "/open?k=" + k);`},

	// The office.
	{name: "office: fetch", script: `await read(K.office + "/records/household", {credentials: "include"}); await read(K.office + "/records/household", {mode: "no-cors", credentials: "include"}); await sized();`, says: "TypeError"},
	{name: "office: frame", script: `const f = put("iframe", {src: K.office + "/records/household"}); say(await event(f, "load")); try { say(f.contentWindow.length); } catch (e) { say(e.name); }`},
	{name: "office: window", script: `await look(K.office + "/records/household");`, says: "closed true"},
	{name: "office: form", script: `await send(K.office + "/devices/code", {role: "team_member", name: "evil", village: K.village});`},
	{name: "office: sign out", script: `await send(K.office + "/signout", {}); navigator.sendBeacon(K.office + "/signout", ""); await wait(100);`},
	{name: "office: sign in as somebody else", script: `await send(K.office + "/signin", {login: "evil", password: "evil"});`},
	{name: "office: download", script: `const w = window.open(K.office + "/export/household?format=csv"); await wait(600); put("img", {src: K.office + "/export/household?format=csv"}); await wait(100);`},
	{name: "office: neighbour's fetch and download", from: neighbour, script: `await read(K.office + "/export/household?format=csv", {mode: "no-cors", credentials: "include"}); await look(K.office + "/export/household?format=csv"); await sized();`},
	{name: "office: agents' door", script: `await read(K.office + "/v1/sync", {method: "POST", mode: "no-cors", credentials: "include", body: "x"}); await read(K.office + "/v1/sync", {method: "POST", credentials: "include", headers: {Authorization: "Bearer x"}, body: "x"});`},
	{name: "office: live events", script: `const s = new EventSource(K.office + "/live", {withCredentials: true}); say(await event(s, "open", "message", "error")); s.close();`, says: "error"},
}
