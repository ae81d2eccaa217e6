// The queue is worked through without a page for each decision: forms are sent
// behind the page, what became of them is told in the bar, and the next thing
// comes up. Without this file the forms do the same, a page at a time.
(function () {
  "use strict";
  var queue = document.getElementById("queue"), bar = document.getElementById("queue-bar");
  if (!queue || !bar || !window.fetch || !window.FormData || !window.DOMParser) return;
  var outcome = document.getElementById("queue-outcome"), common = document.getElementById("queue-reason");
  var current = null, busy = false, loading = false, done = {};
  bar.hidden = false;
  common.value = sessionStorage.getItem("queue-reason") || "";
  common.addEventListener("input", function () { sessionStorage.setItem("queue-reason", common.value); });

  // A form that has a field called id does not tell its own.
  function name(thing) { return thing.getAttribute("id"); }
  function things() { return Array.prototype.slice.call(queue.querySelectorAll("form.dispute")); }
  // From the first touch on the page is not made anew by itself: its place would be lost.
  function begin() { queue.setAttribute("data-works", ""); }

  function go(thing, quietly) {
    if (current) { current.classList.remove("now"); current.removeAttribute("aria-current"); }
    current = thing || null;
    if (!current) return;
    current.classList.add("now");
    current.setAttribute("aria-current", "true");
    number(current);
    if (quietly) return;
    current.tabIndex = -1;
    current.focus({ preventScroll: true });
    var top = current.getBoundingClientRect().top - bar.getBoundingClientRect().height - 12;
    if (getComputedStyle(bar).position !== "sticky") top += bar.getBoundingClientRect().height;
    window.scrollBy(0, top);
    if (things().length - things().indexOf(current) < 6) more();
  }

  // The buttons that the number keys press, in their order.
  function choices(thing) {
    return Array.prototype.filter.call(thing.querySelectorAll(".claim-do button, .verdict-do button"), function (b) { return !b.disabled; });
  }
  function number(thing) {
    choices(thing).slice(0, 9).forEach(function (b, i) { b.setAttribute("data-key", i + 1); b.setAttribute("aria-keyshortcuts", i + 1); });
  }

  function step(by) {
    var all = things(), at = current ? all.indexOf(current) : -1;
    var next = all[Math.max(0, Math.min(all.length - 1, at + by))];
    if (next) go(next);
  }

  function say(html) { outcome.innerHTML = html; }
  function tell(text) {
    outcome.textContent = "";
    var p = document.createElement("p");
    p.className = "notice bad";
    p.textContent = text;
    outcome.appendChild(p);
  }

  function end() {
    var p = document.createElement("p");
    current = null;
    p.className = "lead";
    p.id = "queue-end";
    p.tabIndex = -1;
    p.textContent = bar.dataset.end;
    queue.appendChild(p);
    p.focus();
  }

  function left() {
    var told = outcome.querySelector("[data-left]");
    if (told) document.getElementById("queue-left").textContent = told.getAttribute("data-left");
  }

  function drop(thing) {
    var all = things(), at = all.indexOf(thing);
    done[name(thing)] = true;
    thing.remove();
    all = things();
    if (all.length === 0 && !next()) { end(); return; }
    go(all[Math.min(at, all.length - 1)]);
    more();
  }

  // send hands a form in as pressed by one of its buttons. Whether what it decides has a
  // reason is seen to here: a form without its own takes the one in the bar.
  function send(thing, button) {
    if (busy) return;
    begin();
    var reason = thing.querySelector("input[name=reason]");
    var to = button && button.getAttribute("formaction") || thing.getAttribute("action");
    if (reason && to !== "/ask" && !reason.value.trim()) {
      if (!common.value.trim()) { tell(bar.dataset.needs); common.focus(); return; }
      reason.value = common.value;
    }
    var data = new URLSearchParams(new FormData(thing));
    if (button && button.name) data.append(button.name, button.value);
    busy = true;
    thing.setAttribute("aria-busy", "true");
    post(to, data).then(function (a) {
      busy = false;
      thing.removeAttribute("aria-busy");
      if (a.status === 422 && a.body.querySelector("form.dispute")) {
        var fresh = a.body.querySelector("form.dispute");
        fresh.dataset.place = thing.dataset.place || "";
        thing.replaceWith(fresh);
        go(fresh);
        var field = fresh.querySelector("textarea[name=words], [name=value]");
        if (field && field.closest("details") && field.closest("details").open) field.focus();
        return;
      }
      if (a.fault) { tell(a.fault); return; }
      say(a.html);
      left();
      if (a.status === 200 || a.status === 409) drop(thing);
    }, function () { busy = false; thing.removeAttribute("aria-busy"); tell(bar.dataset.failed); });
  }

  function post(to, data) {
    var headers = { "Content-Type": "application/x-www-form-urlencoded" };
    headers[queue.dataset.header] = "1";
    return fetch(to, { method: "POST", credentials: "same-origin", headers: headers, body: data.toString() }).then(function (r) {
      if (r.redirected) { location.reload(); throw new Error("out"); }
      return r.text().then(function (html) {
        var body = new DOMParser().parseFromString(html, "text/html"), fault = body.querySelector(".fault");
        return { status: r.status, html: html, body: body, fault: fault ? fault.textContent.trim() : "" };
      });
    });
  }

  function undo(form) {
    if (busy || !form) return;
    busy = true;
    begin();
    var data = new URLSearchParams(new FormData(form)), button = form.querySelector("button");
    if (button.name) data.append(button.name, button.value);
    post(form.getAttribute("action"), data).then(function (a) {
      busy = false;
      if (a.fault) { tell(a.fault); return; }
      var back = a.body.querySelector("form.dispute");
      if (!back) { say(a.html); left(); return; }
      delete done[name(back)];
      if (document.getElementById("queue-end")) document.getElementById("queue-end").remove();
      outcome.textContent = "";
      var old = document.getElementById(name(back));
      if (old) old.remove();
      queue.insertBefore(back, current && queue.contains(current) ? current : queue.firstChild);
      count(1);
      go(back);
    }, function () { busy = false; tell(bar.dataset.failed); });
  }

  function count(by) {
    var el = document.getElementById("queue-left");
    var n = Number(el.textContent.replace(/,/g, ""));
    if (n >= 0) el.textContent = String(n + by).replace(/\B(?=(\d{3})+$)/g, ",");
  }

  function next() { return document.getElementById("queue-next"); }

  // more brings the next page behind the last thing of this one.
  function more() {
    var link = next();
    if (!link || loading) return;
    loading = true;
    fetch(link.href, { credentials: "same-origin", headers: { "X-Zhucun-Live": "1" } }).then(function (r) {
      if (r.status === 401 || r.redirected) { location.reload(); throw new Error("out"); }
      if (!r.ok) throw new Error(String(r.status));
      return r.text();
    }).then(function (html) {
      loading = false;
      var page = new DOMParser().parseFromString(html, "text/html"), fresh = page.getElementById("queue"), on = page.getElementById("queue-next");
      if (on) link.href = on.href; else link.remove();
      Array.prototype.forEach.call(fresh ? fresh.querySelectorAll("form.dispute") : [], function (f) {
        if (!done[name(f)] && !document.getElementById(name(f))) queue.appendChild(f);
      });
      if (!current || !queue.contains(current)) { if (things().length) go(things()[0]); else more(); }
    }).catch(function () { loading = false; });
  }

  queue.addEventListener("submit", function (e) {
    e.preventDefault();
    send(e.target, e.submitter || pressed);
  });
  var pressed = null; // for browsers that do not tell who submits
  queue.addEventListener("click", function (e) {
    pressed = e.target.closest("button");
    var thing = e.target.closest("form.dispute");
    if (thing && thing !== current) go(thing, true);
    // A reason may stand in the bar alone, which the browser does not know of.
    if (pressed && thing && pressed.type === "submit") { e.preventDefault(); send(thing, pressed); }
  });
  queue.addEventListener("focusin", function (e) {
    var thing = e.target.closest("form.dispute");
    if (thing && thing !== current) go(thing, true);
  });
  outcome.addEventListener("submit", function (e) { e.preventDefault(); undo(e.target); });

  document.addEventListener("keydown", function (e) {
    if (e.ctrlKey || e.altKey || e.metaKey || e.isComposing) return;
    var at = e.target, typing = /^(TEXTAREA|SELECT)$/.test(at.tagName) || at.tagName === "INPUT" && !/^(checkbox|radio|button|submit)$/.test(at.type);
    if (typing) {
      if (e.key === "Escape" && at.closest("main")) { at.blur(); go(current || things()[0]); e.preventDefault(); }
      if (e.key === "Enter" && at === common) { e.preventDefault(); go(current || things()[0]); }
      return;
    }
    var handled = true, choice;
    switch (e.key) {
    case "j": case "ArrowDown": case "s": begin(); step(1); break;
    case "k": case "ArrowUp": begin(); step(-1); break;
    case "u": undo(outcome.querySelector("button") && outcome.querySelector("form")); break;
    case "r":
      choice = current && current.querySelector("input[name=reason]");
      if (choice) { begin(); choice.focus(); }
      break;
    case "a":
      choice = current && current.querySelector("details[id$='-ask']");
      if (choice) { begin(); choice.open = true; choice.querySelector("textarea") && choice.querySelector("textarea").focus(); }
      break;
    default:
      choice = /^[1-9]$/.test(e.key) && current && choices(current)[Number(e.key) - 1];
      if (choice) send(current, choice); else handled = false;
    }
    if (handled) e.preventDefault();
  });

  if (things().length) go(things()[0], true);
})();
