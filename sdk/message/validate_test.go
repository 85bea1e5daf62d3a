package message_test

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hermodhq/hermod/sdk/message"
)

func TestValidate(t *testing.T) {
	nested := any("leaf")
	for range message.MaxDataDepth {
		nested = []any{nested}
	}
	labels := map[string]string{}
	for i := range 257 {
		labels[strings.Repeat("l", i+1)] = "x"
	}
	secret := "secret-" + strings.Repeat("x", 70<<10)
	tests := []struct {
		name string
		edit func(*message.Message)
		code string
		path string
	}{
		{"valid", func(*message.Message) {}, "", ""},
		{"no address", func(m *message.Message) { m.To = message.Recipient{Name: "Ada"} }, message.CodeRecipientMissing, "to"},
		{"key at the bound", func(m *message.Message) { m.Key = message.Key(strings.Repeat("k", 256)) }, "", ""},
		{"key too long", func(m *message.Message) { m.Key = message.Key(strings.Repeat("k", 257)) }, message.CodeTooLong, "key"},
		{"key not UTF-8", func(m *message.Message) { m.Key = "\xff" }, message.CodeTextInvalid, "key"},
		{"priority", func(m *message.Message) { m.Priority = "asap" }, message.CodeUnknownValue, "priority"},
		{"text at the bound", func(m *message.Message) { m.Content.Text = strings.Repeat("a", message.MaxText) }, "", ""},
		{"text too long", func(m *message.Message) { m.Content.Text = secret }, message.CodeTooLong, "content.text"},
		{"texts together", func(m *message.Message) {
			m.Content.Template = &message.Template{Name: "t"}
			for range 65 {
				m.Content.Template.Params = append(m.Content.Template.Params, strings.Repeat("p", message.MaxShortText))
			}
		}, message.CodeTooLong, "content.template.params[63]"},
		{"two kinds", func(m *message.Message) {
			m.Content.Template = &message.Template{Name: "t"}
			m.Content.Interactive = &message.Interactive{Buttons: []message.Button{{Text: "Yes"}}}
		}, message.CodeContentConflict, "content"},
		{"media data", func(m *message.Message) {
			m.Content.Media = &message.Media{Type: "image", Data: make([]byte, message.MaxMediaData+1)}
		}, message.CodeTooLong, "content.media.data"},
		{"template header", func(m *message.Message) {
			m.Content.Template = &message.Template{Name: "t", Header: &message.Media{Type: "image"}}
		}, message.CodeMediaSource, "content.template.header"},
		{"template named", func(m *message.Message) {
			m.Content.Template = &message.Template{Name: "t", Named: map[string]any{"n": func() {}}}
		}, message.CodeDataNotJSON, "content.template.named.n"},
		{"year", func(m *message.Message) { m.SendAt = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }, message.CodeTimeInvalid, "send_at"},
		{"expires", func(m *message.Message) { m.SendAt = time.Unix(100, 0); m.Expires = time.Unix(99, 0) }, message.CodeExpiresTooEarly, "expires"},
		{"many labels", func(m *message.Message) { m.Labels = labels }, message.CodeTooMany, "labels"},
		{"long label", func(m *message.Message) { m.Labels = map[string]string{"a": "", "b": secret, "c": secret} }, message.CodeTooLong, "labels.b"},
		{"data chan", func(m *message.Message) { m.Data = map[string]any{"z": make(chan int), "b": struct{}{}} }, message.CodeDataNotJSON, "data.b"},
		{"data NaN", func(m *message.Message) { m.Data = map[string]any{"a": []any{1, math.NaN()}} }, message.CodeNumberInexact, "data.a[1]"},
		{"data large", func(m *message.Message) { m.Data = map[string]any{"a": uint64(1 << 60)} }, message.CodeNumberInexact, "data.a"},
		{"data named type", func(m *message.Message) { m.Data = map[string]any{"a": time.Second} }, message.CodeDataNotJSON, "data.a"},
		{"data UTF-8", func(m *message.Message) { m.Data = map[string]any{"a": []string{"\xff"}} }, message.CodeTextInvalid, "data.a[0]"},
		{"data deep", func(m *message.Message) { m.Data = map[string]any{"a": nested} }, message.CodeTooMany, "data.a" + strings.Repeat("[0]", 15)},
		{"data size", func(m *message.Message) { m.Data = map[string]any{"a": strings.Repeat("x", message.MaxData)} }, message.CodeTooLong, "data"},
		{"data values", func(m *message.Message) { m.Data = map[string]any{"a": make([]any, 10_001)} }, message.CodeTooMany, "data"},
		{"data good", func(m *message.Message) {
			m.Data = map[string]any{"a": 1, "b": []string{"x"}, "c": map[string]string{"k": "v"}, "d": nil, "e": json.Number("1.5"), "f": int8(1), "g": true, "h": float32(1)}
		}, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := message.Message{To: message.Recipient{Phone: "+447700900123"}, Content: message.Content{Text: "hi"}}
			tt.edit(&m)
			err := m.Validate()
			if tt.code == "" {
				if err != nil {
					t.Fatalf("unexpected: %v", err)
				}
				return
			}
			e, ok := errors.AsType[*message.Error](err)
			if !ok || e.Code != tt.code || e.Path != tt.path {
				t.Fatalf("got %+v, want %s at %s", err, tt.code, tt.path)
			}
			if strings.Contains(e.Error(), "secret") || strings.Contains(e.Error(), "asap") {
				t.Errorf("the error shows the value: %s", e)
			}
		})
	}
}

func TestContentValidate(t *testing.T) {
	c := message.Content{Media: &message.Media{Type: "image"}}
	e, ok := errors.AsType[*message.Error](c.Validate())
	if !ok || e.Path != "media" {
		t.Errorf("got %+v, want a finding at media", e)
	}
	c = message.Content{Text: "hi"}
	if err := c.Validate(); err != nil {
		t.Errorf("unexpected: %v", err)
	}
}

func TestErrorIs(t *testing.T) {
	err := error(&message.Error{Code: message.CodeRequired, Path: "a.b"})
	if !errors.Is(err, &message.Error{Code: message.CodeRequired}) || !errors.Is(err, &message.Error{Code: message.CodeRequired, Path: "a.b"}) {
		t.Error("the same code and path do not match")
	}
	if errors.Is(err, &message.Error{Code: message.CodeRequired, Path: "a"}) || errors.Is(err, &message.Error{Code: message.CodeTooLong}) {
		t.Error("another code or path matches")
	}
}

// Normalised data is what a round trip through JSON makes of it, and the host's map stays as it was.
func TestNormalizeData(t *testing.T) {
	in := map[string]any{"i": 1042, "f": float32(1.5), "l": []string{"a"}, "m": map[string]any{"u": uint8(3), "t": true},
		"s": map[string]string{"k": "v"}, "a": []any{nil, "x", int64(2), []any{1.0}}, "n": json.Number("7")}
	raw, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]any
	if err := json.Unmarshal(raw, &want); err != nil {
		t.Fatal(err)
	}
	got := message.NormalizeData(in)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if in["i"] != 1042 || in["m"].(map[string]any)["u"] != uint8(3) || in["a"].([]any)[2] != int64(2) {
		t.Error("the argument was changed")
	}
	if n := testing.AllocsPerRun(10, func() { message.NormalizeData(want) }); n != 0 {
		t.Errorf("normal data cost %v allocations", n)
	}
}

func TestOutcomes(t *testing.T) {
	order := []message.Outcome{message.Accepted, message.Sent, message.Delivered, message.Read, message.Replied}
	for i, o := range order {
		if o.Rank() != i+1 || !o.Valid() {
			t.Errorf("%s: rank %d, valid %t", o, o.Rank(), o.Valid())
		}
	}
	for _, o := range []message.Outcome{message.Failed, message.Expired, message.Canceled, message.Unknown} {
		if o.Rank() != 0 || !o.Valid() {
			t.Errorf("%s: rank %d, valid %t", o, o.Rank(), o.Valid())
		}
	}
	if message.Outcome("gone").Valid() {
		t.Error("an unknown outcome is valid")
	}
}

func TestAddress(t *testing.T) {
	users := map[message.AccountID]message.VendorUserID{"b": "2", "a": "1"}
	tests := []struct {
		r    message.Recipient
		want string
	}{
		{message.Recipient{Phone: "+447700900123", Email: "ada@example.com", Users: users}, "+447700900123"},
		{message.Recipient{Email: "ada@example.com", Users: users}, "ada@example.com"},
		{message.Recipient{Users: users}, "a/1"},
		{message.Recipient{}, ""},
	}
	for _, tt := range tests {
		if got := tt.r.Address(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

func BenchmarkValidate(b *testing.B) {
	m, err := message.Decode([]byte(full))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := m.Validate(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkValidateText(b *testing.B) {
	m := message.Message{Key: "order-1042-shipped", To: message.Recipient{Phone: "+447700900123"}, Content: message.Content{Text: "Hi Ada"},
		Data: map[string]any{"name": "Ada", "order": "1042"}, Labels: map[string]string{"tenant": "acme"}}
	b.ReportAllocs()
	for b.Loop() {
		if err := m.Validate(); err != nil {
			b.Fatal(err)
		}
	}
}
