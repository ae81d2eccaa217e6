package web

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"zhucun/agent/vault"
	"zhucun/shared/form"
	"zhucun/shared/identity"
	"zhucun/shared/record"
)

// stop is where one press of Tab came to.
type stop struct {
	Name  string `json:"name"`
	Order int    `json:"order"` // its place in the page
	Seen  bool   `json:"seen"`  // there is a ring around it, and it is in the window
}

const focused = `(function () {
	var e = document.activeElement, r = e.getBoundingClientRect(), s = getComputedStyle(e);
	if (e === document.body) return {name: "", order: -1, seen: true};
	return {
		name: (e.id || e.getAttribute("href") || e.textContent.trim() || e.name).slice(0, 60), order: Array.from(document.querySelectorAll("*")).indexOf(e),
		seen: s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 2 && r.width > 0 && r.bottom > 0 && r.top < innerHeight,
	};
})()`

// tabThrough presses Tab from the top of a page to its end and tells what is wrong: what
// comes out of its order, or cannot be seen to have the focus.
func tabThrough(t *testing.T, ctx context.Context, page string) (stops []stop) {
	t.Helper()
	for range 120 {
		keys(t, ctx, kb.Tab)
		s := js[stop](t, ctx, focused)
		if s.Order < 0 || len(stops) > 0 && s.Name == stops[0].Name && s.Order == stops[0].Order {
			return stops
		}
		if !s.Seen {
			t.Errorf("%s: nobody sees that the focus is on %q", page, s.Name)
		}
		if n := len(stops); n > 0 && s.Order < stops[n-1].Order {
			t.Errorf("%s: Tab goes back from %q to %q", page, stops[n-1].Name, s.Name)
		}
		stops = append(stops, s)
	}
	t.Errorf("%s: Tab never comes to its end", page)
	return stops
}

// Settings, help and diagnosis are used without a mouse: Tab goes through all of a page in
// its order and is seen, Enter saves, Escape loses nothing.
func TestCareByKeyboard(t *testing.T) {
	f := newFixture(t, true)
	f.site.lock = &fakeLock{way: vault.Unprotected, code: "ZR1-ONCE"}
	ctx := browser(t)
	enterBy(t, ctx, f)
	for _, page := range []string{"/settings", "/diagnosis"} {
		do(t, ctx, chromedp.Navigate(f.at+page))
		if n := len(tabThrough(t, ctx, page)); n < 10 {
			t.Errorf("%s: Tab comes to %d places", page, n)
		}
	}

	do(t, ctx, chromedp.Navigate(f.at+"/settings"))
	tabTo(t, ctx, "e.id === 'lang-zh'")
	keys(t, ctx, kb.ArrowRight)
	until(t, ctx, "document.activeElement.id === 'lang-en' && document.activeElement.checked")
	keys(t, ctx, kb.Enter)
	until(t, ctx, "location.search === '?done=look' && document.documentElement.lang === 'en'")
	if p, err := f.laptop.Profile("杜旺火"); err != nil || p.Language != "en" {
		t.Errorf("Enter saved %+v, %v", p, err)
	}
	// After a save Tab goes on in the part that was saved, not at the top.
	keys(t, ctx, kb.Tab)
	if !js[bool](t, ctx, "!!document.activeElement.closest('#look')") {
		t.Errorf("after a save Tab comes to %s", js[stop](t, ctx, focused).Name)
	}

	do(t, ctx, chromedp.Navigate(f.at+"/settings"))
	tabTo(t, ctx, "e.matches('#who summary')")
	keys(t, ctx, kb.Enter)
	tabTo(t, ctx, "e.id === 'pin-word'")
	keys(t, ctx, "ZR1-ONCE", kb.Tab, "2580", kb.Escape)
	if got := js[string](t, ctx, "document.getElementById('pin-word').value + ' ' + document.activeElement.value"); got != "ZR1-ONCE 2580" {
		t.Errorf("Escape leaves %q of what was typed", got)
	}
	keys(t, ctx, kb.Tab, "2580", kb.Enter)
	until(t, ctx, "location.search === '?done=who'")
	if right, err := f.laptop.TryPin(t.Context(), "杜旺火", "2580"); err != nil || !right {
		t.Errorf("the PIN is not set: %v", err)
	}

	do(t, ctx, chromedp.Navigate(f.at+"/help"))
	tabTo(t, ctx, "e.getAttribute('href') === '#print'")
	keys(t, ctx, kb.Enter)
	until(t, ctx, "location.hash === '#print'")
	keys(t, ctx, kb.Tab)
	if !js[bool](t, ctx, "!!document.activeElement.closest('#print')") {
		t.Errorf("from the list of topics Tab comes to %s, not into the topic", js[stop](t, ctx, focused).Name)
	}

	do(t, ctx, chromedp.Navigate(f.at+"/diagnosis"))
	tabTo(t, ctx, "e.search === '?check=1'")
	keys(t, ctx, kb.Enter)
	until(t, ctx, "location.search === '?check=1' && !!document.querySelector('.notice[role=status]')")
	tabTo(t, ctx, "e.matches('pre.diagnosis')")
}

// answersFor gives what somebody types into a form, by field: words has the mark by which
// it is found again. References are chosen on the page.
func answersFor(f *form.Form, mark string) map[string]string {
	typed := map[string]string{}
	for _, fd := range f.Fields {
		switch fd.Kind {
		case form.Text:
			typed["f."+fd.Name] = mark
		case form.Integer, form.Decimal:
			typed["f."+fd.Name] = "2024"
		case form.Date:
			typed["f."+fd.Name] = "2025-01-07"
		case form.SelectOne, form.SelectMultiple:
			typed["f."+fd.Name] = fd.Choices[0].Name
		case form.RefOne, form.RefMultiple:
			typed["f."+fd.Name] = "" // the first that is offered
		}
	}
	return typed
}

// fillIn puts answers into the form that is open, and gives how many it took.
const fillIn = `(function (typed) {
	var n = 0;
	Object.keys(typed).forEach(function (name) {
		var list = Array.from(document.querySelectorAll("#entry [name='" + name + "']")), e = list[0], want = typed[name];
		if (!e) return;
		n++;
		if (e.type === "radio" || e.type === "checkbox") {
			(list.find(function (o) { return o.value === want; }) || list[0]).checked = true;
		} else if (e.tagName === "SELECT") {
			var o = Array.from(e.options).find(function (o) { return want ? o.value === want : o.value; });
			if (o) e.value = o.value;
		} else e.value = want;
		e.dispatchEvent(new Event("input", {bubbles: true}));
		e.dispatchEvent(new Event("change", {bubbles: true}));
	});
	return n;
})(%s)`

// Every type of record is entered, found in its list, opened from there and changed, in a
// browser and with its script.
func TestEveryTypeInTheBrowser(t *testing.T) {
	f := newFixture(t, true)
	f.role(identity.Office)
	ctx := browser(t)
	enterBy(t, ctx, f)
	send := func(typed map[string]string) int {
		t.Helper()
		raw, err := json.Marshal(typed)
		if err != nil {
			t.Fatal(err)
		}
		n := js[int](t, ctx, fmt.Sprintf(fillIn, raw))
		do(t, ctx, chromedp.Focus(chromedp.CSS("#entry [type=submit]")))
		keys(t, ctx, kb.Enter)
		return n
	}
	for _, ft := range form.Builtin().Forms() {
		if ft.Type == noticeType {
			continue // it is written at the office
		}
		t.Run(string(ft.Type), func(t *testing.T) {
			typed := answersFor(ft, "记号甲")
			do(t, ctx, chromedp.Navigate(f.at+"/record/"+string(ft.Type)+"/new"))
			until(t, ctx, "!!document.getElementById('entry')")
			if n := send(typed); n < 2 {
				t.Fatalf("the form took %d answers", n)
			}
			until(t, ctx, "location.search.includes('saved=')")
			saved := js[string](t, ctx, "new URLSearchParams(location.search).get('saved')")
			_, id, _ := strings.Cut(saved, "/")

			do(t, ctx, chromedp.Navigate(f.at+"/records/"+string(ft.Type)))
			link := fmt.Sprintf("document.querySelector(\"main a[href*='%s']\")", id)
			if !js[bool](t, ctx, "!!"+link) {
				t.Fatalf("it is not in the list: %s", js[string](t, ctx, "document.querySelector('main').innerText.slice(0, 400)"))
			}
			js[any](t, ctx, link+".click()")
			edit := fmt.Sprintf("document.querySelector(\"main a[href$='%s/edit']\")", id)
			until(t, ctx, "!!"+edit)
			js[any](t, ctx, edit+".click()")
			until(t, ctx, "!!document.getElementById('entry')")

			// One answer is changed; the others stay.
			name, want := "", record.Value("")
			for _, fd := range ft.Fields {
				switch {
				case fd.Kind == form.Text && !fd.Masked && js[bool](t, ctx, "!!document.querySelector(\"#entry [name='f."+fd.Name+"']\")"):
					name, want = fd.Name, record.Text("记号乙")
				case fd.Kind == form.Decimal && name == "":
					name, want = fd.Name, "7"
				case fd.Kind == form.SelectOne && len(fd.Choices) > 1 && name == "":
					name, want = fd.Name, record.Text(fd.Choices[1].Name)
				}
			}
			value, ok := want.Text()
			if !ok {
				value = string(want)
			}
			send(map[string]string{"f." + name: value})
			until(t, ctx, "location.search.includes('saved=')")
			if got := f.record(ft.Type, id).View.Fields[name]; got != want {
				t.Errorf("%s is %s, changed to %s", name, got, want)
			}
		})
	}
}
