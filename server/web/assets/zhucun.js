// What the office's pages do beyond HTML: they look again by themselves when
// the data changes. Without it every page works and is as it was when opened.
(function () {
  "use strict";
  var body = document.body;

  document.addEventListener("submit", function (e) {
    var sure = e.target.dataset && e.target.dataset.sure;
    if (sure && !window.confirm(sure)) e.preventDefault();
  });

  // A long upload shows how far it is. Its answer takes this page's place.
  var uploaded = false;
  document.addEventListener("submit", function (e) {
    var form = e.target;
    if (e.defaultPrevented || !form.dataset || !("upload" in form.dataset) || !window.FormData || !window.DOMParser) return;
    e.preventDefault();
    var line = form.querySelector("[role=status]"), bar = line.querySelector("progress"), text = line.querySelector("span");
    var button = form.querySelector("button"), request = new XMLHttpRequest();
    button.disabled = true;
    line.hidden = false;
    request.upload.onprogress = function (p) {
      if (!p.lengthComputable) return;
      bar.value = 100 * p.loaded / p.total;
      text.textContent = form.dataset.sending + Math.floor(bar.value) + "%";
    };
    request.upload.onload = function () { bar.removeAttribute("value"); text.textContent = form.dataset.taking; };
    request.onerror = function () { button.disabled = false; bar.value = 0; text.textContent = form.dataset.broken; };
    request.onload = function () {
      var next = new DOMParser().parseFromString(request.responseText, "text/html"), fresh = next.getElementById("main");
      if (!fresh) { request.onerror(); return; }
      document.title = next.title;
      document.getElementById("main").innerHTML = fresh.innerHTML;
      history.pushState(null, "", request.responseURL);
      uploaded = true;
      document.getElementById("main").focus();
    };
    request.open("POST", form.action);
    request.send(new FormData(form));
  });
  window.addEventListener("popstate", function () { if (uploaded) location.reload(); });

  if (!body.dataset.live || !window.EventSource || !window.fetch || !window.DOMParser) return;

  var source = null, dirty = false, busy = false, wanted = "", news = null;

  // Somebody is writing: what is on the screen must stay as it is.
  function editing() {
    var a = document.activeElement;
    if (dirty) return true;
    return !!a && a.closest("main") && /^(INPUT|TEXTAREA|SELECT)$/.test(a.tagName) && !/^(checkbox|radio)$/.test(a.type);
  }

  function inPost(target) {
    var f = target.form;
    return f && f.closest("main") && f.method === "post";
  }
  document.addEventListener("input", function (e) { if (inPost(e.target) || e.target.closest("main form")) dirty = true; });
  document.addEventListener("submit", function () { dirty = false; });
  document.addEventListener("focusout", function () {
    setTimeout(function () { if (wanted && !editing()) look(); }, 300);
  });

  function tell() {
    if (news) return;
    news = document.createElement("div");
    news.className = "news";
    news.setAttribute("role", "status");
    news.textContent = body.dataset.news;
    var b = document.createElement("button");
    b.type = "button";
    b.textContent = body.dataset.look;
    b.addEventListener("click", function () { dirty = false; look(); });
    news.appendChild(b);
    body.appendChild(news);
  }

  function changed(version) {
    if (version === body.dataset.version) return;
    if (document.querySelector("[data-works]")) return; // it brings what comes by itself
    wanted = version;
    if (editing()) tell(); else look();
  }

  // look fetches the page again and puts its main part in place of this one,
  // with the same scroll, focus and open parts.
  function look() {
    if (busy) return;
    busy = true;
    fetch(location.href, { credentials: "same-origin", headers: { "X-Zhucun-Live": "1" } }).then(function (r) {
      if (r.status === 401 || r.redirected) { location.reload(); throw new Error("out"); }
      if (!r.ok) throw new Error(String(r.status));
      return r.text();
    }).then(function (html) {
      busy = false;
      if (editing() && !news) { tell(); return; }
      put(new DOMParser().parseFromString(html, "text/html"));
    }).catch(function () { busy = false; });
  }

  function put(next) {
    var main = document.getElementById("main"), fresh = next.getElementById("main");
    if (!main || !fresh) return;
    var active = document.activeElement, id = active && main.contains(active) ? active.id : "", href = active && main.contains(active) ? active.getAttribute("href") : "";
    var x = window.scrollX, y = window.scrollY, open = {}, across = [];
    main.querySelectorAll("details[id]").forEach(function (d) { open[d.id] = d.open; });
    main.querySelectorAll(".scroll").forEach(function (s) { across.push(s.scrollLeft); });
    main.innerHTML = fresh.innerHTML;
    main.querySelectorAll("details[id]").forEach(function (d) { if (d.id in open) d.open = open[d.id]; });
    main.querySelectorAll(".scroll").forEach(function (s, i) { s.scrollLeft = across[i] || 0; });
    var nav = document.getElementById("nav"), menu = next.getElementById("nav");
    if (nav && menu && !nav.contains(active)) nav.innerHTML = menu.innerHTML;
    window.scrollTo(x, y);
    var back = id ? document.getElementById(id) : href ? main.querySelector('a[href="' + (window.CSS && CSS.escape ? CSS.escape(href) : href) + '"]') : null;
    if (back) back.focus({ preventScroll: true });
    body.dataset.version = next.body.dataset.version || "";
    dirty = false;
    wanted = "";
    if (news) { news.remove(); news = null; }
  }

  // A browser allows few connections to one server: only the tab in sight has
  // one.
  function connect() {
    if (document.visibilityState === "hidden") {
      if (source) { source.close(); source = null; }
      return;
    }
    if (source) return;
    source = new EventSource(body.dataset.live);
    source.addEventListener("version", function (e) { changed(e.data); });
    source.onerror = function () {
      // Refused for good: whoever is no longer in signs in again.
      if (source && source.readyState === 2) { source = null; setTimeout(look, 1000); }
    };
  }
  document.addEventListener("visibilitychange", connect);
  window.addEventListener("pagehide", function () { if (source) { source.close(); source = null; } });
  window.addEventListener("pageshow", connect);
  connect();
})();
