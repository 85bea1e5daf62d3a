package chatondesk

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/hermodhq/hermod/plugins/chatondesk/internal/chatondeskapi"
)

// TestTemplateListChanges holds when the list is asked for again: when it is old, and when a template that does not fit may have
// changed meanwhile, but not for each message.
func TestTemplateListChanges(t *testing.T) {
	body, asked := "##a##", 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		_, _ = io.WriteString(w, `{"status":"success","description":[{"Structuredtemplate":{"id":25,"name":"x","template":"`+body+`"}},{"Channel":null},null]}`)
	}))
	defer srv.Close()
	client, err := chatondeskapi.New(chatondeskapi.Options{URL: srv.URL, APIKey: "k"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	now := time.Unix(0, 0)
	list := newTemplates(client, 10*time.Minute, 100, func() time.Time { return now })
	steps := []struct {
		later time.Duration
		body  string
		fits  int // how many placeholders fit
		want  []string
		asked int
	}{
		{0, "##a##", 1, []string{"a"}, 1},
		{time.Second, "##b## ##a##", 2, []string{"a"}, 1}, // too soon to ask again
		{time.Minute, "##b## ##a##", 1, []string{"a"}, 1}, // it fits what is remembered
		{0, "##b## ##a##", 2, []string{"b", "a"}, 2},
		{time.Second, "##c##", 1, []string{"b", "a"}, 2},
		{10 * time.Minute, "##c##", 1, []string{"c"}, 3},
	}
	for i, s := range steps {
		now, body = now.Add(s.later), s.body
		names, known, err := list.placeholders(t.Context(), "25", func(names []string) bool { return len(names) == s.fits })
		if err != nil || !known || !slices.Equal(names, s.want) || asked != s.asked {
			t.Errorf("step %d: %q after %d lookups, %v; want %q after %d", i, names, asked, err, s.want, s.asked)
		}
	}
}
