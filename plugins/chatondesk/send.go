package chatondesk

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/hermodhq/hermod/plugins/chatondesk/internal/chatondeskapi"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/message"
)

// Send makes one attempt on the delivery's channel.
func (a *account) Send(ctx context.Context, d connector.Delivery) (connector.Result, error) {
	name, phone := a.systemName(&d), d.To.Phone
	kind := d.Content.Kind()
	switch {
	case name == "" && d.Channel == channelOther:
		return connector.Result{}, fault.New(fault.Unsupported, "channel_unnamed", "the message does not say which channel: give it the label %s, or the account a name in channels.other", labelChannel)
	case name == "":
		return connector.Result{}, fault.New(fault.Unsupported, "channel_unnamed", "channel %s has no system name at ChatOnDesk: give it one in the account's setting channels", d.Channel)
	case kind != message.KindTemplate && kind != message.KindText:
		return connector.Result{}, fault.New(fault.Unsupported, "kind_unsupported", "ChatOnDesk cannot carry content of kind %q", kind)
	case phone == "":
		return connector.Result{}, fault.New(fault.InvalidRecipient, "phone_missing", "the recipient has no phone number")
	case a.cfg.PhoneFormat == "digits":
		phone = strings.TrimPrefix(phone, "+")
	}
	if kind == message.KindText {
		in := chatondeskapi.TextRequest{Phone: phone, Channel: name, Message: d.Content.Text}
		_, err := chatondeskapi.SendText.Do(ctx, a.client, in)
		return result(err, in)
	}
	data, err := a.data(ctx, d.Content.Template)
	if err != nil {
		return connector.Result{}, err
	}
	in := chatondeskapi.TemplateRequest{StructureID: d.Content.Template.Name, Channel: name, Phone: phone, Data: data}
	_, err = chatondeskapi.SendTemplate.Do(ctx, a.client, in)
	return result(err, in)
}

// systemName is what ChatOnDesk calls a delivery's channel, or empty.
func (a *account) systemName(d *connector.Delivery) string {
	if name := d.Labels[labelChannel]; name != "" && d.Channel == channelOther {
		return name
	}
	return a.channels[d.Channel]
}

func result(err error, in any) (connector.Result, error) {
	if err != nil {
		return connector.Result{}, faultOf(err, in, mutates)
	}
	return connector.Result{Outcome: message.Accepted}, nil
}

// data gives a template's values by the names of its placeholders, as texts: the examples show nothing else.
func (a *account) data(ctx context.Context, t *message.Template) (map[string]any, error) {
	data := make(map[string]any, len(t.Named)+len(t.Params)+1)
	for name, v := range t.Named {
		text, err := scalar(name, v)
		if err != nil {
			return nil, err
		}
		data[name] = text
	}
	if len(t.Params) > 0 {
		params, err := a.position(ctx, t)
		if err != nil {
			return nil, err
		}
		maps.Copy(data, params)
	}
	if t.Header != nil {
		if t.Header.URL == "" {
			return nil, fault.New(fault.ContentRejected, "header_url_missing", "a media header needs a URL that ChatOnDesk can fetch")
		}
		if _, twice := data[a.headerKey()]; twice {
			return nil, fault.New(fault.ContentRejected, "header_twice", "the placeholder %s is given by name and as the media header: give one of them", a.headerKey())
		}
		data[a.headerKey()] = t.Header.URL
	}
	return data, nil
}

func (a *account) headerKey() string { return orElse(a.cfg.HeaderKey, "file") }

func scalar(name string, v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case nil, map[string]any, []any:
		return "", fault.New(fault.ContentRejected, "data_not_text", "the value of %s is neither text nor a number", name)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil // never as 1e+21
	}
	return fmt.Sprint(v), nil
}
