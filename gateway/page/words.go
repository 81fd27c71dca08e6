package page

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"
)

// Lang is one of the two languages that a gateway speaks.
type Lang string

// The languages, as in the lang attribute.
const (
	Chinese Lang = "zh-TW"
	English Lang = "en"
)

// Other returns the other language.
func (l Lang) Other() Lang {
	if l == English {
		return Chinese
	}
	return English
}

// ParseLang returns the language of a lang attribute; anything else is Chinese.
func ParseLang(s string) Lang {
	if s == string(English) {
		return English
	}
	return Chinese
}

// Words are the messages of a set of pages. They never change once loaded, so any goroutine may ask.
type Words struct {
	by map[Lang]*i18n.Localizer
}

// LoadWords reads zh-TW.json and en.json from fsys.
func LoadWords(fsys fs.FS) (*Words, error) {
	w := &Words{by: map[Lang]*i18n.Localizer{}}
	for _, l := range []Lang{Chinese, English} {
		// One bundle for each: a message that one language lacks must not come out in the other unnoticed.
		b := i18n.NewBundle(language.Make(string(l)))
		if _, err := b.LoadMessageFileFS(fsys, string(l)+".json"); err != nil {
			return nil, fmt.Errorf("messages %s: %w", l, err)
		}
		w.by[l] = i18n.NewLocalizer(b, string(l))
	}
	return w, nil
}

// Compiled returns what a package of pages has compiled in: the messages in words and the files in files. It panics when
// they are not whole, which a test of the package sees first.
func Compiled(own fs.FS) (*Words, fs.FS) {
	words, errWords := fs.Sub(own, "words")
	files, errFiles := fs.Sub(own, "files")
	if err := errors.Join(errWords, errFiles); err != nil {
		panic(err)
	}
	w, err := LoadWords(words)
	if err != nil {
		panic(err)
	}
	return w, files
}

// Say returns message id in l. args are names and values in turn; the value named "Count" chooses the plural form.
// A message that does not exist comes out as its id.
func (w *Words) Say(l Lang, id string, args ...any) string {
	c := i18n.LocalizeConfig{MessageID: id}
	data := map[string]any{}
	for i := 0; i+1 < len(args); i += 2 {
		name, _ := args[i].(string)
		data[name] = args[i+1]
		if name == "Count" {
			c.PluralCount = args[i+1]
		}
	}
	c.TemplateData = data
	s, err := w.by[l].Localize(&c)
	if err != nil {
		return id
	}
	return s
}

// Text is one message in both languages, the one to show first in front.
type Text struct {
	Lang  Lang
	Main  string
	Under string // in the other language
}

// Both returns message id in first and in the other language. An argument that is itself a Text speaks the language of
// the sentence it stands in.
func (w *Words) Both(first Lang, id string, args ...any) Text {
	return Text{Lang: first, Main: w.Say(first, id, in(first, args)...), Under: w.Say(first.Other(), id, in(first.Other(), args)...)}
}

func in(l Lang, args []any) []any {
	out := make([]any, len(args))
	for i, a := range args {
		if t, ok := a.(Text); ok {
			a = t.In(l)
		}
		out[i] = a
	}
	return out
}

// In returns t in l.
func (t Text) In(l Lang) string {
	if l == t.Lang {
		return t.Main
	}
	return t.Under
}

// Day returns the local date of t as people write it in l: 11/24（二） or Tue 24 Nov.
func Day(l Lang, t time.Time) string {
	t = Local(t)
	if l == English {
		return t.Format("Mon 2 Jan")
	}
	return t.Format("1/2") + "（" + []string{"日", "一", "二", "三", "四", "五", "六"}[t.Weekday()] + "）"
}

// Clock returns the local time of day of t, 24 h.
func Clock(t time.Time) string { return Local(t).Format("15:04") }

// BothDays returns the date of t in both languages.
func BothDays(first Lang, t time.Time) Text {
	return Text{Lang: first, Main: Day(first, t), Under: Day(first.Other(), t)}
}

// BothTimes returns the date and time of day of t in both languages: 11/26（四）20:00 and Thu 26 Nov, 20:00.
func BothTimes(first Lang, t time.Time) Text {
	at := func(l Lang) string {
		if l == English {
			return Day(l, t) + ", " + Clock(t)
		}
		return Day(l, t) + Clock(t)
	}
	return Text{Lang: first, Main: at(first), Under: at(first.Other())}
}

// Local returns t in the time of New Taipei City, which knows no summer time.
func Local(t time.Time) time.Time { return t.In(time.FixedZone("Asia/Taipei", 8*60*60)) }

// Span returns d as minutes and seconds, rounded up so that 0:00 means over.
func Span(d time.Duration) string {
	s := Seconds(d)
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}

// Seconds rounds d up to whole seconds, so that what is counted down on a screen is never over before it is.
func Seconds(d time.Duration) int { return max(0, int((d+time.Second-1)/time.Second)) }

// Minutes rounds d up to whole minutes, at least one.
func Minutes(d time.Duration) int { return max(1, int((d+time.Minute-1)/time.Minute)) }

// Phone writes a telephone number for a language: an extension's word is the only part that needs it.
func Phone(l Lang, number string) string {
	if l == English {
		return strings.ReplaceAll(number, "分機", "ext.")
	}
	return number
}
