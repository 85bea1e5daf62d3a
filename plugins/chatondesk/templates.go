package chatondesk

import (
	"context"
	"strconv"
	"time"

	"github.com/hermodhq/hermod/plugins/chatondesk/internal/chatondeskapi"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

const (
	templateListSize = 100
	askAgain         = time.Minute // at the earliest, for a template that was not in the list or did not fit
)

// templates remembers the order of each template's placeholders.
type templates struct {
	client *chatondeskapi.Client
	ttl    time.Duration
	limit  string
	now    func() time.Time

	turn  chan struct{} // holds one token: one caller asks, the others wait for its answer; guards what is below
	asked time.Time
	names map[string][]string // by structureid
}

func newTemplates(client *chatondeskapi.Client, ttl time.Duration, limit int, now func() time.Time) *templates {
	return &templates{client: client, ttl: ttl, limit: strconv.Itoa(limit), now: now, turn: make(chan struct{}, 1)}
}

// placeholders returns the names of a template's placeholders in their order. What is remembered is asked for again where it does
// not fit: the template may have changed. The returned slice must not be changed.
func (t *templates) placeholders(ctx context.Context, id string, fit func(names []string) bool) (names []string, known bool, err error) {
	select {
	case t.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, false, fault.New(fault.Unavailable, "template_lookup", "the template list did not come in time: %w", ctx.Err())
	}
	defer func() { <-t.turn }()
	names, known = t.names[id]
	age := t.now().Sub(t.asked)
	if t.names != nil && age < t.ttl && (known && fit(names) || age < askAgain) {
		return names, known, nil
	}
	in := chatondeskapi.TemplatesRequest{Limit: t.limit}
	list, err := chatondeskapi.TemplateList.Do(ctx, t.client, in)
	if err != nil {
		return nil, false, faultOf(err, in, reads)
	}
	t.names, t.asked = make(map[string][]string, len(list.Records)), t.now()
	for _, r := range list.Records {
		if r.Structuredtemplate != nil {
			t.names[string(r.Structuredtemplate.ID)] = r.Structuredtemplate.Placeholders()
		}
	}
	names, known = t.names[id]
	return names, known, nil
}

// position gives positional values the names of the placeholders, in the order in which these first stand in the template. The
// header's placeholder does not count when a media header fills it.
func (a *account) position(ctx context.Context, t *message.Template) (map[string]any, error) {
	if a.templates == nil {
		return nil, fault.New(fault.ContentRejected, "params_positional", "templates at ChatOnDesk take values by name: use named")
	}
	names, known, err := a.templates.placeholders(ctx, t.Name, func(names []string) bool {
		_, fits := a.assign(t, names)
		return fits
	})
	if err != nil {
		return nil, err
	}
	if !known {
		return nil, fault.New(fault.ContentRejected, "params_unordered", "template %s is not among the first %s of the template list, so its placeholders are not known: use named", t.Name, a.templates.limit)
	}
	data, fits := a.assign(t, names)
	if !fits {
		return nil, fault.New(fault.ContentRejected, "template_params", "template %s has %d placeholders, which %d params and what is given by name do not fill exactly", t.Name, len(names), len(t.Params))
	}
	return data, nil
}

// assign gives each placeholder that is not given otherwise the next of the params, and reports whether that fills them exactly.
func (a *account) assign(t *message.Template, names []string) (map[string]any, bool) {
	data := map[string]any{}
	for _, name := range names {
		_, given := t.Named[name]
		switch {
		case given, t.Header != nil && name == a.headerKey():
		case len(data) == len(t.Params):
			return nil, false
		default:
			data[name] = t.Params[len(data)]
		}
	}
	return data, len(data) == len(t.Params)
}
