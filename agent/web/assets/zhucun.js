// What the pages do beyond plain HTML: keep drafts while somebody types, say
// what applies and what looks wrong, filter long lists, search as one types.
// Every page works without it.
"use strict";
(function () {
  function all(sel, root) { return Array.prototype.slice.call((root || document).querySelectorAll(sel)); }
  function el(tag, cls) { var e = document.createElement(tag); if (cls) e.className = cls; return e; }
  function plain(s) { return s.toLowerCase().replace(/\s+/g, ""); }

  // Drafts.
  var form = document.getElementById("entry");
  if (form) entry(form);

  function entry(form) {
    var pause = 800, timer = 0, busy = false, dirty = false, over = false;
    var serial = +form.elements._serial.value;
    var kept = document.getElementById("kept"), missing = document.getElementById("missing");

    function body() {
      serial++;
      form.elements._serial.value = serial;
      return new URLSearchParams(new FormData(form));
    }

    function later() {
      dirty = true;
      clearTimeout(timer);
      timer = setTimeout(keep, pause);
    }

    function keep() {
      clearTimeout(timer);
      if (!dirty || over) return;
      if (busy) { timer = setTimeout(keep, pause); return; }
      dirty = false;
      busy = true;
      fetch(form.dataset.keep, { method: "POST", body: body(), credentials: "same-origin" }).then(function (r) {
        if (r.status === 410) { over = true; kept.textContent = kept.dataset.gone; kept.className = "bad"; return null; }
        if (!r.ok && r.status !== 409) throw new Error(r.status);
        return r.json();
      }).then(function (k) {
        busy = false;
        if (!k) return;
        // Another window, or this page before it was loaded again, kept later
        // than this one knew of. Nothing was taken; what is on the screen goes again.
        if (k.serial) { serial = k.serial; later(); return; }
        kept.textContent = kept.dataset.kept + k.at;
        kept.className = "quiet";
        tell(k);
      }).catch(function () {
        busy = false;
        dirty = true;
        kept.textContent = kept.dataset.failed;
        kept.className = "bad";
        timer = setTimeout(keep, 5 * pause);
      });
    }

    // A page that goes away cannot wait for an answer.
    function flush() {
      if (!dirty || over) return;
      dirty = false;
      var b = body();
      if (!(navigator.sendBeacon && navigator.sendBeacon(form.dataset.keep, b))) {
        fetch(form.dataset.keep, { method: "POST", body: b, credentials: "same-origin", keepalive: true }).catch(function () { dirty = true; });
      }
    }

    function tell(k) {
      all("[data-field]", form).forEach(function (f) {
        var name = f.dataset.field, say = f.querySelector(".say");
        f.hidden = k.asked[name] === false;
        say.textContent = "";
        if (k.unread[name]) { var p = el("p", "unread"); p.textContent = k.unread[name]; say.appendChild(p); }
        (k.marks[name] || []).forEach(function (m) { var p = el("p"); p.textContent = m; say.appendChild(p); });
        var input = f.querySelector("input:not([type=radio]):not([type=checkbox]), textarea");
        if (input) { if (k.unread[name]) input.setAttribute("aria-invalid", "true"); else input.removeAttribute("aria-invalid"); }
        var offer = k.offers[name], out = f.querySelector("[data-result]"), line = f.querySelector(".offer");
        if (out) { if (offer) out.textContent = offer[1]; }
        else if (line && line.dataset.words) {
          line.hidden = !offer;
          line.textContent = offer ? line.dataset.words.replace("§", offer[1]) : "";
        }
      });
      missing.textContent = k.missing.length ? missing.dataset.some + " " : missing.dataset.none;
      k.missing.forEach(function (m) {
        var a = el("a");
        a.href = "#" + m[0];
        a.textContent = m[1];
        missing.appendChild(a);
        missing.appendChild(document.createTextNode(" "));
      });
    }

    all("[data-off]", form).forEach(function (f) { f.hidden = true; });
    form.addEventListener("input", later);
    // A choice may change which questions apply: that need not wait.
    form.addEventListener("change", function () { later(); setTimeout(keep, 0); });
    // Even a save is kept as a draft first: it may find nobody listening.
    form.addEventListener("submit", function () { clearTimeout(timer); flush(); });
    document.addEventListener("visibilitychange", function () { if (document.visibilityState === "hidden") flush(); });
    // Before the next page is asked for, which may be this one again.
    window.addEventListener("beforeunload", flush);
    window.addEventListener("pagehide", flush);

    form.addEventListener("keydown", function (e) {
      if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) { e.preventDefault(); form.requestSubmit ? form.requestSubmit() : form.querySelector("[type=submit]").click(); }
    });

    // Links to a question land in it.
    missing.addEventListener("click", function (e) {
      var a = e.target.closest("a");
      var at = a && document.getElementById(a.hash.slice(1));
      if (!at) return;
      e.preventDefault();
      at.scrollIntoView({ block: "center" });
      (at.matches("fieldset") ? at.querySelector("input") || at : at).focus();
    });

    var bad = form.querySelector("[aria-invalid]");
    if (bad) bad.focus();
  }

  all("form[data-sure]").forEach(function (f) {
    f.addEventListener("submit", function (e) { if (!window.confirm(f.dataset.sure)) e.preventDefault(); });
  });

  // Texts of several lines grow with what is in them.
  all("textarea").forEach(function (t) {
    function grow() { t.style.height = "auto"; t.style.height = t.scrollHeight + 4 + "px"; }
    t.addEventListener("input", grow);
    grow();
  });

  // A calendar beside every date.
  all("[data-date]").forEach(function (t) {
    var day = el("button", "plain");
    day.type = "button";
    day.textContent = t.dataset.todayword;
    day.addEventListener("click", function () { set(t.dataset.today); });
    t.parentNode.appendChild(day);
    function set(v) { t.value = v; t.dispatchEvent(new Event("input", { bubbles: true })); t.dispatchEvent(new Event("change", { bubbles: true })); }
    var c = el("input", "calendar");
    c.type = "date";
    if (!c.showPicker) return;
    c.tabIndex = -1;
    c.setAttribute("aria-hidden", "true");
    var open = el("button", "plain");
    open.type = "button";
    open.className = "open-calendar";
    open.setAttribute("aria-label", t.dataset.date);
    open.addEventListener("click", function () { if (/^\d{4}-\d\d-\d\d$/.test(t.value)) c.value = t.value; c.showPicker(); });
    c.addEventListener("change", function () { if (c.value) set(c.value); });
    t.parentNode.insertBefore(open, day);
    t.parentNode.insertBefore(c, day);
  });

  // A box that filters a long list of choices.
  all("[data-filter]").forEach(function (list) {
    if (!list.dataset.filter) return;
    var select = list.tagName === "SELECT";
    if (select && list.value) return;
    var box = el("input", "filter");
    box.type = "text";
    box.placeholder = list.dataset.filter;
    box.setAttribute("aria-label", list.dataset.filter);
    list.parentNode.insertBefore(box, list);
    var options = select ? Array.prototype.slice.call(list.options, 1) : all(".option", list);
    box.addEventListener("input", function (e) {
      e.stopPropagation();
      var q = plain(box.value), hits = [];
      options.forEach(function (o) {
        var hit = !q || plain(o.textContent).indexOf(q) >= 0;
        if (hit) hits.push(o);
        if (!select) o.hidden = !hit && !o.querySelector("input").checked;
      });
      if (select) {
        while (list.options.length > 1) list.remove(1);
        hits.forEach(function (o) { list.add(o); });
        list.selectedIndex = q && hits.length === 1 ? 1 : 0;
        list.dispatchEvent(new Event("change", { bubbles: true }));
      }
    });
    box.addEventListener("keydown", function (e) { if (e.key === "Enter") e.preventDefault(); });
  });

  // Search as one types.
  all("form[data-live]").forEach(function (f) {
    var out = document.getElementById(f.dataset.live), input = f.querySelector("[type=search]"), timer = 0, round = 0;
    function look() {
      var mine = ++round, q = new URLSearchParams(new FormData(f)), here = location.pathname + "?" + q;
      q.set("part", "1");
      fetch(location.pathname + "?" + q, { credentials: "same-origin" }).then(function (r) {
        if (!r.ok) throw new Error(r.status);
        return r.text();
      }).then(function (html) {
        if (mine !== round) return;
        out.innerHTML = html;
        history.replaceState(null, "", here);
      }).catch(function () {});
    }
    input.addEventListener("input", function (e) {
      if (e.isComposing) return;
      clearTimeout(timer);
      timer = setTimeout(look, 150);
    });
    input.addEventListener("compositionend", function () { clearTimeout(timer); timer = setTimeout(look, 150); });
  });

  // What was just saved is said first.
  var banner = document.querySelector(".banner");
  if (banner) banner.focus({ preventScroll: true });
})();
