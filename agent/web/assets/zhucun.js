// What the pages do beyond plain HTML: keep drafts while somebody types, say
// what applies and what looks wrong, filter long lists, search as one types, say
// how far a long work is.
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
    // changes counts what was done to the form, safe up to where an answer said
    // that it is in the draft: only an answer counts, for a page that goes away,
    // or an agent that is dead, gives none.
    var pause = 800, timer = 0, busy = null, changes = 0, safe = 0, serial = 0, over = false, saving = false;
    var kept = document.getElementById("kept"), missing = document.getElementById("missing");
    say("quiet", kept.textContent.trim() || kept.dataset.keeps);

    function dirty() { return changes > safe && !over; }

    function body() {
      form.elements._serial.value = ++serial;
      return new URLSearchParams(new FormData(form));
    }

    function say(kind, text, to) {
      kept.className = kind;
      kept.textContent = text;
      if (to) { var a = el("a"); a.href = to; a.textContent = kept.dataset.newer; kept.appendChild(document.createTextNode(" ")); kept.appendChild(a); }
    }

    function later() {
      changes++;
      clearTimeout(timer);
      timer = setTimeout(keep, pause);
    }

    // keep sends what is on the screen, and sends it again until an answer comes.
    // It resolves to whether all of it is safe.
    function keep() {
      clearTimeout(timer);
      if (busy) return busy.then(keep);
      if (!dirty()) return Promise.resolve(true);
      var sent = changes, stop = new AbortController(), late = setTimeout(function () { stop.abort(); }, 10000);
      busy = fetch(form.dataset.keep, { method: "POST", body: body(), credentials: "same-origin", signal: stop.signal }).then(function (r) {
        if (r.status === 410) { say("bad", kept.dataset.gone); return null; }
        // A later one of this page, sent as it went away, came first.
        if (r.status === 409) return null;
        if (!r.ok) throw new Error(r.status);
        return r.json();
      }).then(function (k) {
        safe = Math.max(safe, sent);
        if (k) took(k);
        return true;
      }).catch(function (err) {
        say("bad", (saving ? kept.dataset.unsaved : "") + (err.message === "423" ? kept.dataset.locked : err.message === "403" ? kept.dataset.closed : kept.dataset.failed));
        timer = setTimeout(keep, 5 * pause);
        return false;
      }).then(function (ok) {
        clearTimeout(late);
        busy = null;
        return ok;
      });
      return busy;
    }

    function took(k) {
      form.elements._stood.value = k.stood;
      if (k.to) {
        // The draft was gone; what was written since has one of its own.
        form.dataset.keep = k.to + "/keep";
        form.action = k.to + "/save";
        history.replaceState(null, "", k.to);
      }
      say("quiet", kept.dataset.kept + k.at, k.newer && location.pathname);
      tell(k);
    }

    // A page that goes away cannot wait for an answer.
    function flush() {
      if (!dirty()) return;
      var b = body();
      if (!(navigator.sendBeacon && navigator.sendBeacon(form.dataset.keep, b))) {
        fetch(form.dataset.keep, { method: "POST", body: b, credentials: "same-origin", keepalive: true }).catch(function () {});
      }
    }

    function tell(k) {
      all("[data-field]", form).forEach(function (f) {
        var name = f.dataset.field, say = f.querySelector(".say");
        f.hidden = k.asked[name] === false;
        say.textContent = "";
        if (k.unread[name]) { var p = el("p", "unread"); p.textContent = k.unread[name]; say.appendChild(p); }
        if (k.also[name]) { var w = el("p", "unread"); w.textContent = k.also[name]; say.appendChild(w); }
        (k.marks[name] || []).forEach(function (m) { var p = el("p"); p.textContent = m; say.appendChild(p); });
        var input = f.querySelector("input:not([type=radio]):not([type=checkbox]), textarea");
        if (input) { if (k.unread[name]) input.setAttribute("aria-invalid", "true"); else input.removeAttribute("aria-invalid"); }
        var result = f.querySelector("[data-result]");
        if (result) result.textContent = k.results[name] || result.dataset.result;
        f.querySelector("[data-offer]").textContent = k.offers[name] || "";
      });
      all("[data-part]", form).forEach(function (at) {
        var part = document.getElementById(at.dataset.part), left = 0;
        k.missing.forEach(function (m) { if (part.contains(document.getElementById(m[0]))) left++; });
        at.textContent = left ? at.closest("nav").dataset.left.replace("%s", left) : "";
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

    // A file that was chosen is added at once; the button is for browsers without this.
    all("input[data-add]", form).forEach(function (i) {
      i.addEventListener("change", function () { if (i.files.length && i.form.requestSubmit) i.form.requestSubmit(); });
    });
    all("[data-off]", form).forEach(function (f) { f.hidden = true; });
    form.addEventListener("input", later);
    // A choice may change which questions apply: that need not wait.
    form.addEventListener("change", function () { later(); setTimeout(keep, 0); });
    // A save goes out only when all that is on the screen is in the draft: sent
    // to an agent that is dead it would leave an error in place of the form.
    form.addEventListener("submit", function (e) {
      e.preventDefault();
      if (saving) return;
      saving = true;
      changes++;
      (function again() {
        keep().then(function (ok) {
          if (ok && dirty()) return again();
          if (ok) { form.elements._serial.value = ++serial; form.submit(); }
          saving = false;
        });
      })();
    });
    // Other buttons of the page lead away from it: so much for them too.
    document.addEventListener("submit", function (e) {
      if (e.target === form || e.defaultPrevented) return;
      if (e.target.classList.contains("drop")) { over = true; return; }
      if (!dirty() || !e.submitter || !e.target.requestSubmit) return;
      e.preventDefault();
      keep().then(function (ok) { if (ok) e.target.requestSubmit(e.submitter); });
    });
    document.addEventListener("visibilitychange", function () { if (document.visibilityState === "hidden") flush(); else keep(); });
    window.addEventListener("online", keep);
    // Before the next page is asked for, which may be this one again.
    window.addEventListener("beforeunload", function (e) {
      flush();
      if (dirty() && kept.className === "bad") { e.preventDefault(); e.returnValue = ""; }
    });
    window.addEventListener("pagehide", flush);
    // Back brings the page as it was left, also after its save. What it does not
    // have to itself it asks for anew.
    window.addEventListener("pageshow", function (e) {
      if (!e.persisted) return;
      over = false;
      if (dirty()) keep(); else location.reload();
    });

    var went = false;
    // The keyboard alone: Enter goes to the next question, as in a table, digits choose
    // among the answers of one, and Ctrl and Enter save.
    form.addEventListener("keydown", function (e) {
      var t = e.target, field = t.closest("[data-field]");
      went = false;
      if (e.isComposing || e.defaultPrevented || e.altKey) return;
      if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) { e.preventDefault(); form.requestSubmit ? form.requestSubmit() : form.querySelector("[type=submit]").click(); return; }
      if (e.ctrlKey || e.metaKey || !field) return;
      if (e.key === "Enter" && t.tagName === "INPUT" && t.type !== "file") { e.preventDefault(); went = true; next(field); return; }
      if (/^[1-9]$/.test(e.key) && (t.type === "radio" || t.type === "checkbox")) {
        var option = all(".option", field).filter(function (o) { return !o.hidden; })[e.key - 1];
        if (!option) return;
        e.preventDefault();
        option.querySelector("input").focus();
        option.querySelector("input").click();
      }
    });

    // What sends a form, or breaks a line, is the character behind the key, and it may
    // come though the key itself was dealt with.
    form.addEventListener("keypress", function (e) { if (e.key === "Enter" && (went || e.target.tagName === "INPUT")) e.preventDefault(); });

    // next goes to the question behind a field, or to the button that saves.
    function next(field) {
      var fields = all("[data-field]", form).filter(function (f) { return !f.hidden && !f.classList.contains("is-result"); });
      var to = fields[fields.indexOf(field) + 1];
      var at = to ? to.querySelector("input:checked") || to.querySelector("input:not([type=hidden]), textarea, summary, select") : form.querySelector("[type=submit]");
      if (at) { at.focus(); if (to) to.scrollIntoView({ block: "nearest" }); }
    }

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

    // Of a long form the list of its parts shows where one is.
    var steps = form.querySelector(".steps-nav");
    if (steps && window.IntersectionObserver) {
      var seen = new IntersectionObserver(function () {
        var at = null;
        all(".step", form).forEach(function (p) { if (!at || p.getBoundingClientRect().top < window.innerHeight / 3) at = p; });
        all("a", steps).forEach(function (a) { if (at && a.hash === "#" + at.id) a.setAttribute("aria-current", "step"); else a.removeAttribute("aria-current"); });
      }, { threshold: [0, .25, .5, .75, 1] });
      all(".step", form).forEach(function (p) { seen.observe(p); });
    }
  }

  // Where one answer after the other is a choice of a few: a digit chooses, and goes on.
  all("form[data-digits]").forEach(function (f) {
    var groups = all("fieldset", f);
    f.addEventListener("keydown", function (e) {
      var at = groups.indexOf(e.target.closest("fieldset"));
      if (at < 0 || !/^[1-9]$/.test(e.key) || e.ctrlKey || e.metaKey || e.altKey) return;
      var radio = all("input[type=radio]", groups[at])[e.key - 1], next = groups[at + 1];
      if (!radio) return;
      e.preventDefault();
      radio.checked = true;
      (next ? next.querySelector("input:checked") || next.querySelector("input") : f.querySelector("button")).focus();
    });
  });

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
    day.hidden = !t.dataset.today;
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
    // Enter takes the only one that is left.
    var select = list.tagName === "SELECT";
    if (select && list.value) return;
    var box = el("input", "filter");
    box.type = "text";
    box.placeholder = list.dataset.filter;
    box.setAttribute("aria-label", list.dataset.filter);
    list.parentNode.insertBefore(box, list);
    var options = select ? Array.prototype.slice.call(list.options, 1) : all(".option", list);
    // Of many households the list has some: the others are looked for.
    if (list.dataset.find) {
      box.addEventListener("input", function (e) { e.stopPropagation(); if (!e.isComposing) ask(); });
      box.addEventListener("compositionend", function () { ask(); });
    }
    var ask = latest(function () {
      var q = new URLSearchParams({ _token: list.dataset.token, part: "options", village: list.dataset.village, q: box.value });
      return fetch(list.dataset.find, { method: "POST", body: q, credentials: "same-origin" }).then(function (r) {
        if (!r.ok) throw new Error(r.status);
        return r.json();
      }).then(offer);
    });
    function offer(found) {
      if (select) {
        var stays = list.value, text = list.selectedIndex > 0 ? list.options[list.selectedIndex].text : "";
        while (list.options.length > 1) list.remove(1);
        found.forEach(function (o) { list.add(new Option(o[1], o[0])); });
        if (stays && !found.some(function (o) { return o[0] === stays; })) list.add(new Option(text, stays));
        list.value = stays;
        return;
      }
      all(".option", list).forEach(function (o) { if (!o.querySelector("input").checked) o.remove(); });
      found.forEach(function (o, i) {
        if (all("input", list).some(function (x) { return x.value === o[0]; })) return;
        var label = el("label", "option"), input = el("input"), words = el("span");
        input.type = "checkbox";
        input.name = list.dataset.name;
        input.value = o[0];
        words.textContent = o[1];
        label.appendChild(input);
        label.appendChild(document.createTextNode(" "));
        label.appendChild(words);
        list.appendChild(label);
      });
    }
    if (!list.dataset.find) box.addEventListener("input", function (e) {
      e.stopPropagation();
      var q = plain(box.value), hits = [];
      // What is chosen stays in the list, and chosen: only a choice changes it.
      var chosen = list.value;
      options.forEach(function (o) {
        var hit = !q || plain(o.textContent).indexOf(q) >= 0;
        if (hit || select && o.value === chosen) hits.push(o);
        if (!select) o.hidden = !hit && !o.querySelector("input").checked;
      });
      if (select) {
        while (list.options.length > 1) list.remove(1);
        hits.forEach(function (o) { list.add(o); });
        list.value = chosen;
      }
    });
    // What sends a form is the character behind the key, and a browser may deliver it
    // though the key itself was dealt with.
    box.addEventListener("keypress", function (e) { if (e.key === "Enter") e.preventDefault(); });
    box.addEventListener("keydown", function (e) {
      if (e.key !== "Enter" || e.isComposing) return;
      e.preventDefault();
      if (select && box.value && list.options.length === 2) {
        list.selectedIndex = 1;
        list.dispatchEvent(new Event("change", { bubbles: true }));
      }
    });
  });

  // What waits is decided with one key each.
  var decisions = document.getElementById("decisions");
  if (decisions) decide(decisions);

  function decide(root) {
    var open = all("[data-open]", root), at = root.querySelector("[data-first]");
    root.classList.add("has-keys");
    all(".keys", root).forEach(function (e) { e.hidden = false; });
    function go(to, still) {
      if (!to) return;
      if (at) at.classList.remove("is-at");
      at = to;
      at.classList.add("is-at");
      at.focus({ preventScroll: true });
      if (!still) at.scrollIntoView({ block: "start" });
    }
    // A link to one of them, and an answer that must be mended, come first.
    var named = location.hash && document.getElementById(location.hash.slice(1));
    if (named && open.indexOf(named) >= 0) at = named;
    if (at) go(at, at === open[0] && !named);
    root.addEventListener("focusin", function (e) {
      var d = e.target.closest("[data-open]");
      if (d && d !== at) { if (at) at.classList.remove("is-at"); at = d; at.classList.add("is-at"); }
    });
    // What a key writes may come though the key itself was dealt with.
    var dealt = false;
    document.addEventListener("keypress", function (e) { if (dealt) e.preventDefault(); dealt = false; });
    document.addEventListener("keydown", function (e) {
      dealt = false;
      press(e);
      dealt = e.defaultPrevented;
    });
    function press(e) {
      var t = e.target, key = e.key.toLowerCase(), typing = /^(TEXTAREA|SELECT)$/.test(t.tagName) || t.tagName === "INPUT";
      if (e.isComposing || e.defaultPrevented || e.altKey || e.repeat) return;
      if (typing && key === "escape") { e.preventDefault(); go(t.closest("[data-open]")); return; }
      if (t.tagName === "TEXTAREA" && key === "enter" && (e.ctrlKey || e.metaKey)) {
        var own = t.name === "value" && t.closest(".another").querySelector("[data-own]");
        if (own) { e.preventDefault(); own.click(); }
        return;
      }
      // Enter in a line sends what was written there, and nothing else.
      if (t.tagName === "INPUT" && t.name === "value" && key === "enter") { e.preventDefault(); t.closest(".another").querySelector("[data-own]").click(); return; }
      if (typing || e.ctrlKey || e.metaKey) return;
      var step = { n: 1, arrowright: 1, p: -1, arrowleft: -1 }[key];
      if (step) {
        e.preventDefault();
        go(open[Math.min(Math.max(open.indexOf(at) + step, 0), open.length - 1)]);
        return;
      }
      var back = key === "u" && root.querySelector("[data-key=u]");
      var hit = back || (at && /^[1-9bo]$/.test(key) && at.querySelector("[data-key='" + key + "']"));
      if (!hit) { if (key === "w" && at && at.querySelector("[data-words]")) { e.preventDefault(); at.querySelector("[data-words]").focus(); } return; }
      e.preventDefault();
      if (key !== "o") { hit.click(); return; }
      hit.parentNode.open = true;
      var first = hit.parentNode.querySelector("input:not([type=hidden]), textarea, select");
      if (first) first.focus();
    }
    // A key decides once.
    all("form", root).forEach(function (f) {
      f.addEventListener("submit", function (e) { if (f.dataset.sent) e.preventDefault(); f.dataset.sent = "1"; });
    });
    window.addEventListener("pageshow", function () { all("form", root).forEach(function (f) { delete f.dataset.sent; }); });
  }

  // Search as one types: the next question goes out when the last is answered, and is
  // the one that stands there then.
  function latest(ask) {
    var busy = false, again = false;
    return function run() {
      if (busy) { again = true; return; }
      busy = true;
      again = false;
      ask().catch(function () {}).then(function () { busy = false; if (again) run(); });
    };
  }
  all("form[data-live]").forEach(function (f) {
    var out = document.getElementById(f.dataset.live), input = f.querySelector("[type=search]"), timer = 0;
    var look = latest(function () {
      var q = new URLSearchParams(new FormData(f)), here;
      q.set("part", "1");
      clearTimeout(timer);
      return fetch(f.action, { method: "POST", body: q, credentials: "same-origin" }).then(function (r) {
        if (!r.ok) throw new Error(r.status);
        here = r.headers.get("Zhucun-Here");
        return r.text();
      }).then(function (html) {
        // Whoever has gone on to what was found stays there.
        if (!out.contains(document.activeElement)) out.innerHTML = html;
        history.replaceState(null, "", here);
        wait();
      });
    });
    // While the records are being read there will be more.
    function wait() { if (out.querySelector("[data-reading]")) timer = setTimeout(look, 2000); }
    wait();
    input.addEventListener("input", function (e) { if (!e.isComposing) look(); });
    input.addEventListener("compositionend", function () { look(); });
    // Down goes on to what was found.
    input.addEventListener("keydown", function (e) {
      var first = out.querySelector(".lines a, .names a, a");
      if (e.key !== "ArrowDown" || e.isComposing || !first) return;
      e.preventDefault();
      first.focus();
    });
    out.addEventListener("keydown", function (e) {
      var by = { ArrowDown: 1, ArrowUp: -1 }[e.key], links = all(".lines a, .names a, .pager a", out), at = links.indexOf(document.activeElement);
      if (!by || at < 0) return;
      e.preventDefault();
      (at + by < 0 ? input : links[Math.min(at + by, links.length - 1)]).focus();
    });
  });

  // A long work shows how far it is. Its answer takes this page's place.
  var replaced = false;
  document.addEventListener("submit", function (e) {
    var form = e.target;
    if (e.defaultPrevented || !form.dataset || !form.dataset.work || !window.FormData || !window.DOMParser || !window.fetch) return;
    e.preventDefault();
    var bar = form.querySelector("[role=status] progress"), line = bar.parentNode, text = line.querySelector("span");
    var file = form.querySelector("[type=file]"), button = form.querySelector("button"), request = new XMLHttpRequest(), timer = 0, over = false;
    line.hidden = false;
    function fail(why) {
      over = true;
      clearTimeout(timer);
      button.disabled = false;
      bar.hidden = true;
      text.textContent = why;
    }
    if (file && file.files[0] && file.files[0].size > +form.dataset.max) { fail(form.dataset.large); return; }
    button.disabled = true;
    bar.hidden = false;
    bar.removeAttribute("value");
    text.textContent = "";
    function look() {
      fetch(form.dataset.work, { credentials: "same-origin" }).then(function (r) { return r.json(); }).then(function (at) {
        if (over) return;
        if (at.text) text.textContent = at.text;
        if (at.percent) bar.value = at.percent;
      }).catch(function () {}).then(function () { if (!over) timer = setTimeout(look, 700); });
    }
    timer = setTimeout(look, 300);
    request.onerror = function () { fail(form.dataset.broken); };
    request.onload = function () {
      var next = new DOMParser().parseFromString(request.responseText, "text/html"), fresh = next.getElementById("main");
      // Somebody has to come in, or to unlock, first.
      if (!fresh && (request.status === 403 || request.status === 423)) { location.reload(); return; }
      if (!fresh) { fail(form.dataset.broken); return; }
      over = true;
      clearTimeout(timer);
      document.title = next.title;
      ["main", "head"].forEach(function (id) {
        var old = document.getElementById(id), now = next.getElementById(id);
        if (old && now) old.innerHTML = now.innerHTML;
      });
      history.pushState(null, "", request.responseURL);
      replaced = true;
      document.getElementById("main").focus();
      window.scrollTo(0, 0);
    };
    var data = new FormData(form);
    if (e.submitter && e.submitter.name) data.append(e.submitter.name, e.submitter.value);
    request.open("POST", form.action);
    request.send(file ? data : new URLSearchParams(data));
  });
  window.addEventListener("popstate", function () { if (replaced) location.reload(); });

  // How far a sync is. The page of what has been delivered is shown anew when one
  // has ended, and when what waits has changed.
  var under = document.querySelector("[data-sync]");
  if (under && window.fetch && window.DOMParser) {
    var ran = !under.hidden, here = location.pathname === new URL(under.querySelector("a").href).pathname, asked = /[?&]asked=/.test(location.search) ? 5 : 0;
    var watch = function () { setTimeout(look, ran || asked > 0 ? 1000 : 10000); };
    var anew = function () {
      if (!here) return;
      return fetch(location.pathname, { credentials: "same-origin" }).then(function (r) { return r.text(); }).then(function (html) {
        var next = new DOMParser().parseFromString(html, "text/html");
        ["main", "head"].forEach(function (id) {
          var old = document.getElementById(id), now = next.getElementById(id);
          if (old && now) old.innerHTML = now.innerHTML;
        });
        under = document.querySelector("[data-sync]");
      });
    };
    var look = function () {
      if (document.hidden) { watch(); return; }
      fetch(under.dataset.sync, { credentials: "same-origin" }).then(function (r) { return r.json(); }).then(function (at) {
        if (asked > 0) asked--;
        var bar = document.getElementById("sync-bar");
        if (at.busy !== ran || at.busy && here && !bar) { ran = at.busy; under.hidden = !at.busy; if (!at.busy) asked = 0; return anew(); }
        if (!at.busy) return;
        under.querySelector("span").textContent = at.text;
        if (!bar) return;
        bar.querySelector("span").textContent = at.text;
        if (at.percent >= 0) bar.querySelector("progress").value = at.percent; else bar.querySelector("progress").removeAttribute("value");
      }).catch(function () {}).then(watch);
    };
    watch();
  }

  // What was just saved is said first.
  var banner = document.querySelector(".banner");
  if (banner) banner.focus({ preventScroll: true });
})();
