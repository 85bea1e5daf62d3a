package rules

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/afero"
	"go.yaml.in/yaml/v4"

	"github.com/hermodhq/hermod/rules/internal/content"
	"github.com/hermodhq/hermod/rules/internal/eval"
	"github.com/hermodhq/hermod/rules/internal/files"
	"github.com/hermodhq/hermod/rules/internal/reaction"
	"github.com/hermodhq/hermod/rules/internal/source"
	"github.com/hermodhq/hermod/rules/internal/strict"
	"github.com/hermodhq/hermod/sdk/message"
)

// Load reads and checks every rule file of a directory. The error is of type [Errors] and holds everything that was
// found; there is no set then. Load does no work in the background and may be called from several goroutines.
func Load(fsys afero.Fs, dir string, cat Catalog) (*Set, error) {
	snap, err := read(fsys, dir)
	if err != nil {
		return nil, err
	}
	return compile(snap, dir, cat)
}

// read takes a snapshot of the files. The error is of type Errors.
func read(fsys afero.Fs, dir string) (files.Snapshot, error) {
	snap, err := files.Read(fsys, dir)
	if err != nil {
		return snap, Errors{{Code: err.Code, File: err.Path, Text: err.Text, Suggestion: err.Suggestion, cause: err.Cause}}
	}
	return snap, nil
}

// loader compiles the files of one snapshot.
type loader struct {
	content.Reader
	cat Catalog
	set *Set

	names      map[string]place // of routes
	conditions map[string]place // canonical form of conditions
	catchAll   *place           // the route that takes every message that gets to it
	unrouted   bool             // `unrouted: fail` stands somewhere
	reactions  reaction.Reader
	last       *yaml.Node // the last route, and its file
	lastFile   *source.File
}

// place is a route's name and where it stands.
type place struct {
	route, file string
	line        int
}

func (p place) String() string { return fmt.Sprintf("%s (%s:%d)", p.route, p.file, p.line) }

func compile(snap files.Snapshot, dir string, cat Catalog) (*Set, error) {
	accounts, channels := cat.names()
	reader := content.Reader{Decoder: &strict.Decoder{}, Compiler: eval.NewCompiler(accounts, channels)}
	l := &loader{Reader: reader, cat: cat, names: map[string]place{}, conditions: map[string]place{},
		set: newSet(snap.Revision, reader.Compiler, cat.sessions()), reactions: cat.reactions(reader)}
	for _, raw := range snap.Files {
		l.read(raw)
	}
	l.rest()
	var errs Errors
	for _, m := range l.Mistakes {
		errs = append(errs, &Error{Code: m.Code, File: m.File, Line: m.Line, Column: m.Column, Text: m.Text, Suggestion: m.Suggestion, Excerpt: m.Excerpt})
	}
	if l.last == nil && len(l.set.reactions) == 0 && len(errs) == 0 {
		errs = Errors{{Code: CodeEmpty, File: filepath.ToSlash(dir), Text: "holds no route and no reaction", Suggestion: "add a file such as routes.yaml with `routes:`"}}
	}
	if len(errs) > 0 {
		return nil, errs.finish()
	}
	return l.set, nil
}

func (l *loader) read(raw files.File) {
	f, problems := source.Parse(raw.Path, raw.Data)
	l.File = f
	for _, p := range problems {
		code, suggestion := CodeYAMLSyntax, "mend this place first; what comes after it was not read"
		if p.Feature {
			code, suggestion = CodeYAMLFeature, ""
		}
		l.Fail(p.Line, p.Column, code, suggestion, "%s", p.Text)
	}
	if f.Root == nil || len(problems) > 0 {
		return
	}
	top := l.Mapping(f.Root, "a rule file", "routes", "unrouted", "reactions")
	if n := top.Get("reactions"); n != nil {
		l.readReactions(n)
	}
	if n := top.Get("unrouted"); n != nil {
		_, l.unrouted = l.Choice(n, "unrouted", "fail")
	}
	if n := top.Get("routes"); n != nil {
		for _, item := range l.List(n, "routes") {
			l.route(item)
			l.last, l.lastFile = item, f
		}
	}
}

// rest checks that no message is left without a word: a last route without condition, or `unrouted: fail`.
func (l *loader) rest() {
	if l.last == nil || l.catchAll != nil || l.unrouted {
		return
	}
	l.File = l.lastFile
	l.At(l.last, CodeDefaultMissing, "add a last route without `when`, or say `unrouted: fail` at the top of a file to let the rest fail",
		"there is no route for the rest: this is the last one, and it has a condition")
}

// names gives the accounts, and the channels of all of them.
func (c Catalog) names() (accounts, channels []string) {
	seen := map[string]bool{}
	for id, info := range c.Accounts {
		accounts = append(accounts, string(id))
		for _, ch := range info.Channels {
			seen[string(ch.Channel)] = true
		}
	}
	slices.Sort(accounts)
	return accounts, slices.Sorted(maps.Keys(seen))
}

// sessions gives the shortest free-text window of each channel that has one: what is open for it is open everywhere.
func (c Catalog) sessions() map[message.Channel]time.Duration {
	windows := map[message.Channel]time.Duration{}
	for _, info := range c.Accounts {
		for _, ch := range info.Channels {
			if have, ok := windows[ch.Channel]; ch.Session > 0 && (!ok || ch.Session < have) {
				windows[ch.Channel] = ch.Session
			}
		}
	}
	return windows
}

// channel finds account/channel in the catalog.
func (l *loader) channel(n *yaml.Node) (account message.AccountID, info ChannelInfo, ok bool) {
	via, ok := l.Text(n, "via")
	if !ok {
		return "", info, false
	}
	a, c, ok := strings.Cut(via, "/")
	if !ok || a == "" || c == "" {
		l.At(n, CodeValueInvalid, "write it as in convrs-uk/whatsapp", "via is account/channel, and %q is not", via)
		return "", info, false
	}
	accounts, _ := l.cat.names()
	known, ok := l.cat.Accounts[message.AccountID(a)]
	if !ok {
		l.Inside(n, 0, CodeAccountUnknown, strict.DidYouMean(a, accounts), "no account is called %q", a)
		return "", info, false
	}
	var channels []string
	for _, ch := range known.Channels {
		if string(ch.Channel) == c {
			return message.AccountID(a), ch, true
		}
		channels = append(channels, string(ch.Channel))
	}
	l.Inside(n, len([]rune(a))+1, CodeChannelUnknown, strict.DidYouMean(c, channels), "account %s has no channel %q", a, c)
	return "", info, false
}

// transforms reads a list of names of transforms.
func (l *loader) transforms(n *yaml.Node) []string {
	if n == nil {
		return nil
	}
	var names []string
	for _, item := range l.List(n, "transforms") {
		name, ok := l.Text(item, "a transform")
		if !ok {
			continue
		}
		if !slices.Contains(l.cat.Transforms, name) {
			l.At(item, CodeTransformUnknown, strict.DidYouMean(name, l.cat.Transforms), "no transform is called %q", name)
		}
		names = append(names, name)
	}
	return names
}

// AsErrors returns the [Errors] in err's chain, or nil.
func AsErrors(err error) Errors {
	e, _ := errors.AsType[Errors](err)
	return e
}

func joinWords[S ~string](words []S) string {
	list := make([]string, len(words))
	for i, w := range words {
		list[i] = string(w)
	}
	return strings.Join(list, ", ")
}
