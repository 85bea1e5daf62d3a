package convrs

import (
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/hermodhq/hermod/plugins/convrs/internal/convrsapi"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

const (
	templateTTL      = 10 * time.Minute
	templatesKept    = 1024
	refusalsRemember = time.Minute // at most: a template that has just been approved should not wait for long
)

var placeholder = regexp.MustCompile(`\{\{\s*(\w+)\s*\}\}`)

// templates remembers what Convrs knows of each template, so that a wrong one is refused before it is sent.
type templates struct {
	ttl   time.Duration
	now   func() time.Time
	slots *lru.Cache[templateKey, *templateSlot]
}

type templateKey struct{ name, language string }

// templateSlot lets one caller ask while the others wait for its answer.
type templateSlot struct {
	asking chan struct{}
	known  atomic.Pointer[templateState]
}

type templateState struct {
	asked  time.Time
	until  time.Time
	refuse *fault.Fault // why it cannot be sent; nil when it can
	params int          // placeholders of the body; -1 when the components do not tell
	header string       // "", text, image, video, document; "?" when the components do not tell
}

func newTemplates(ttl time.Duration, now func() time.Time) *templates {
	if ttl == 0 {
		ttl = templateTTL
	}
	slots, err := lru.New[templateKey, *templateSlot](templatesKept)
	if err != nil {
		panic("convrs: " + err.Error()) // only for a size below one
	}
	return &templates{ttl: ttl, now: now, slots: slots}
}

// check returns a fault when the template is unknown, not approved, or given other values than it has room for.
func (t *templates) check(ctx context.Context, client *convrsapi.Client, bot int, tpl *message.Template) error {
	key := templateKey{tpl.Name, tpl.Language}
	slot, ok := t.slots.Get(key)
	if !ok {
		slot = &templateSlot{asking: make(chan struct{}, 1)}
		if first, found, _ := t.slots.PeekOrAdd(key, slot); found {
			slot = first
		}
	}
	state := slot.known.Load()
	if state == nil || !t.now().Before(state.until) || state.verdict(tpl) != nil && t.now().Sub(state.asked) >= refusalsRemember {
		var err error
		if state, err = t.ask(ctx, slot, state, client, bot, key); err != nil {
			return err
		}
	}
	if err := state.verdict(tpl); err != nil {
		return err
	}
	return nil
}

// told takes note of how sending a template that passed its check was refused: the template has changed meanwhile.
func (t *templates) told(tpl *message.Template, f *fault.Fault) {
	slot, ok := t.slots.Get(templateKey{tpl.Name, tpl.Language})
	if !ok {
		return
	}
	now, state := t.now(), slot.known.Load()
	switch {
	case f.Class == fault.TemplateUnavailable:
		slot.known.Store(&templateState{asked: now, until: now.Add(min(t.ttl, refusalsRemember)), refuse: f})
	case f.Class == fault.ContentRejected && state != nil && now.Sub(state.asked) >= refusalsRemember:
		slot.known.CompareAndSwap(state, nil) // the next check asks again
	}
}

// ask replaces the state old, unless another caller has done so already.
func (t *templates) ask(ctx context.Context, slot *templateSlot, old *templateState, client *convrsapi.Client, bot int, key templateKey) (*templateState, error) {
	select {
	case slot.asking <- struct{}{}:
	case <-ctx.Done():
		return nil, fault.New(fault.Unavailable, "template_check", "the template could not be looked up in time: %w", ctx.Err())
	}
	defer func() { <-slot.asking }()
	if state := slot.known.Load(); state != nil && state != old {
		return state, nil
	}
	got, err := convrsapi.GetWhatsAppTemplate.Do(ctx, client, convrsapi.GetWhatsAppTemplateRequest{BotID: bot, Language: key.language, TemplateName: key.name})
	now := t.now()
	state := &templateState{asked: now, until: now.Add(t.ttl), params: -1, header: "?"}
	if err == nil {
		state.read(&got)
	} else if err := state.refused(err); err != nil {
		return nil, err
	}
	if state.refuse != nil {
		state.until = now.Add(min(t.ttl, refusalsRemember))
	}
	slot.known.Store(state)
	return state, nil
}

// refused notes why a template cannot be had. It returns an error when that says nothing about the template: then nothing is remembered.
func (s *templateState) refused(err error) error {
	f := fault.From(faultOf(err, reads))
	if f.Class == fault.TemplateUnavailable || f.Class == fault.ContentRejected {
		s.refuse = f
		return nil
	}
	if _, answered := errors.AsType[*convrsapi.Error](err); answered && f.Class == fault.Internal {
		return nil // the lookup is refused for a reason of its own; sending will tell
	}
	return f
}

func (s *templateState) read(t *convrsapi.Template) {
	if status := strings.ToUpper(t.Status); status != "APPROVED" && status != "ACTIVE" && status != "" {
		s.refuse = fault.New(fault.TemplateUnavailable, "template_not_approved", "template %s (%s) is %s: only approved templates can be sent", t.Name, t.Language, strings.ToLower(status))
		return
	}
	var components []struct {
		Type   string `json:"type"`
		Format string `json:"format"`
		Text   string `json:"text"`
	}
	if json.Unmarshal(t.Components, &components) != nil || len(components) == 0 {
		return
	}
	s.params, s.header = 0, ""
	for _, c := range components {
		switch strings.ToUpper(c.Type) {
		case "BODY":
			s.params = placeholders(c.Text)
		case "HEADER":
			if format := strings.ToLower(c.Format); format != "text" || placeholder.MatchString(c.Text) {
				s.header = format
			}
		}
	}
}

// placeholders counts the distinct ones: a template may repeat {{1}}.
func placeholders(text string) int {
	distinct := map[string]bool{}
	for _, m := range placeholder.FindAllStringSubmatch(text, -1) {
		distinct[m[1]] = true
	}
	return len(distinct)
}

// verdict says why the template cannot be sent so: for what it is, or for the number and the kind of what is given. nil: it can.
func (s *templateState) verdict(t *message.Template) *fault.Fault {
	if s.refuse != nil {
		return s.refuse
	}
	if s.params >= 0 && s.params != len(t.Params) {
		return fault.New(fault.ContentRejected, "template_params", "template %s (%s) has %d parameters, %d are given", t.Name, t.Language, s.params, len(t.Params))
	}
	given := ""
	if t.Header != nil {
		given = t.Header.Type
	}
	if s.header != "?" && s.header != given {
		return fault.New(fault.ContentRejected, "template_header", "template %s (%s) needs a header of kind %q, %q is given", t.Name, t.Language, s.header, given)
	}
	return nil
}
