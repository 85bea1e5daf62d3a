package chat2deskapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// rows answers with rows of the ids from..to as Chat2Desk pages them.
func rows(total int, startID, after bool, asked *[]string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		*asked = append(*asked, r.URL.RawQuery)
		q := r.URL.Query()
		limit, _ := strconv.Atoi(q.Get("limit"))
		first, _ := strconv.Atoi(q.Get("offset"))
		first++
		step := 1
		if startID {
			first, _ = strconv.Atoi(q.Get("start_id"))
			if q.Get("direction_reverse") == "true" || q.Get("order") == "desc" {
				step = -1
			}
			switch {
			case first == 0 && step < 0:
				first = total
			case first == 0:
				first = 1
			case after:
				first += step
			}
		}
		var list []string
		for id := first; id >= 1 && id <= total && len(list) < min(limit, 200); id += step {
			list = append(list, fmt.Sprintf(`{"id":%d}`, id))
		}
		_, _ = fmt.Fprintf(w, `{"data":[%s],"meta":{"total":%d,"limit":%d},"status":"success"}`, strings.Join(list, ","), total, min(limit, 200))
	}
}

// TestPaging walks lists of both kinds, and start_id with and without its own row.
func TestPaging(t *testing.T) {
	for _, total := range []int{0, 1, 199, 200, 201, 400, 401} {
		var asked []string
		c := serve(t, rows(total, false, false, &asked), Options{})
		n := 0
		for p, err := range All[Person](t.Context(), c, ListClients, ClientsRequest{Phone: "44"}) {
			if n++; err != nil || int(p.ID.Int()) != n {
				t.Fatalf("row %d is %s, %v", n, p.ID, err)
			}
		}
		if n != total || len(asked) != max(1, (total+199)/200) || !strings.Contains(asked[0], "phone=44") {
			t.Errorf("%d of %d rows in %d pages", n, total, len(asked))
		}
		for _, after := range []bool{false, true} {
			c := serve(t, rows(total, true, after, &asked), Options{})
			n := 0
			for m, err := range All[Message](t.Context(), c, ListMessages, MessagesRequest{Page: Page{Limit: 100}}) {
				if n++; err != nil || int(m.ID.Int()) != n {
					t.Fatalf("row %d is %s, %v", n, m.ID, err)
				}
			}
			for m, err := range All[Message](t.Context(), c, ListMessages, MessagesRequest{StartID: int64(total), DirectionReverse: true, Page: Page{Limit: 50}}) {
				if err != nil || !after && int(m.ID.Int()) != n || after && int(m.ID.Int()) != n-1 {
					t.Fatalf("backwards: row %d is %s, %v", n, m.ID, err)
				}
				n--
			}
			if left := map[bool]int{false: 0, true: min(total, 1)}[after]; n != left {
				t.Errorf("%d rows left of %d", n, total)
			}
		}
	}
}

// TestPagingEnds holds that a walk ends when its user leaves, at an error, and when the vendor repeats itself for ever.
func TestPagingEnds(t *testing.T) {
	var asked []string
	c := serve(t, rows(1000, false, false, &asked), Options{})
	for range All[Person](t.Context(), c, ListTags, Page{Limit: 10}) {
		break
	}
	if len(asked) != 1 {
		t.Errorf("%d pages", len(asked))
	}
	calls := 0
	c = serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if calls++; calls > 1 {
			w.WriteHeader(http.StatusInternalServerError)
		}
		_, _ = io.WriteString(w, `{"data":[{"id":1}],"meta":{"total":9,"limit":1},"status":"success"}`)
	}, Options{})
	var errs, n int
	for _, err := range All[Person](t.Context(), c, ListTags, Page{Limit: 1}) {
		if n++; err != nil {
			errs++
		}
	}
	if n != 2 || errs != 1 {
		t.Errorf("%d rows, %d errors", n, errs)
	}
	c = serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"data":[{"id":1},{"id":2}],"meta":{"limit":2},"status":"success"}`)
	}, Options{})
	n = 0
	for range All[Message](t.Context(), c, ListMessages, MessagesRequest{}) {
		n++
	}
	if n != 2 {
		t.Errorf("%d rows of a list that repeats itself", n)
	}
}

// TestPagingBounds holds that a walk loses no row to an odd limit, and ends where the vendor never says that the list does.
func TestPagingBounds(t *testing.T) {
	var asked []string
	count := func(c *Client, in MessagesRequest) (n int) {
		for _, err := range All[Message](t.Context(), c, ListMessages, in) {
			if n++; err != nil {
				t.Fatal(err)
			}
		}
		return n
	}
	for _, after := range []bool{false, true} {
		c := serve(t, rows(450, true, after, &asked), Options{})
		for _, limit := range []int{-1, 1, 2, 200, 500} {
			if n := count(c, MessagesRequest{Page: Page{Limit: limit}}); n != 450 {
				t.Errorf("limit %d gives %d rows", limit, n)
			}
		}
		asked = nil
		if n := count(c, MessagesRequest{Page: Page{Limit: 100, Offset: 7}, Order: "desc"}); n != 450 || strings.Contains(strings.Join(asked, " "), "offset") {
			t.Errorf("newest first gives %d rows, asking %v", n, asked)
		}
	}
	// The vendor caps a limit without saying so, and ids are texts.
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		offset, _ := strconv.Atoi(r.URL.Query().Get("offset"))
		var list []string
		for id := offset; id < 450 && len(list) < 200; id++ {
			list = append(list, fmt.Sprintf(`{"id":"TICK-%d"}`, id))
		}
		_, _ = fmt.Fprintf(w, `{"data":[%s],"status":"success"}`, strings.Join(list, ","))
	}, Options{})
	n := 0
	for _, err := range All[Person](t.Context(), c, ListTickets, Page{Limit: 500}) {
		if n++; err != nil {
			t.Fatal(err)
		}
	}
	if n != 450 {
		t.Errorf("%d rows of a list with a silent cap", n)
	}
	for name, body := range map[string]string{ // for ever the same, whatever is asked
		"no meta":          `{"data":[{"id":1},{"id":2}],"status":"success"}`,
		"no ids":           `{"data":[{"operator_id":1},{"operator_id":1}],"status":"success"}`,
		"no objects":       `{"data":["a","b"],"status":"success"}`,
		"a bare list":      `[{"id":1},{"id":2}]`,
		"an endless total": `{"data":[{"id":1},{"id":2}],"meta":{"total":1000000000,"limit":2},"status":"success"}`,
		"negative numbers": `{"data":[{"id":1},{"id":2}],"meta":{"total":-1,"limit":-1},"status":"success"}`,
	} {
		calls := 0
		c := serve(t, func(w http.ResponseWriter, _ *http.Request) { calls++; _, _ = io.WriteString(w, body) }, Options{})
		n := 0
		for range All[any](t.Context(), c, ListTags, Page{Limit: 2}) {
			if n++; n > 10 {
				break
			}
		}
		if n != 2 || calls > 2 {
			t.Errorf("%s: %d rows in %d calls", name, n, calls)
		}
	}
}

// TestPagingGrows holds that a row that moves to the next page while the list grows comes once.
func TestPagingGrows(t *testing.T) {
	total := 6
	c := serve(t, func(w http.ResponseWriter, r *http.Request) { // newest first, and a new one before each page
		offset, _ := strconv.Atoi(r.URL.Query().Get("offset"))
		var list []string
		for i := offset; i < total && len(list) < 3; i++ {
			list = append(list, fmt.Sprintf(`{"id":%d}`, total-i))
		}
		_, _ = fmt.Fprintf(w, `{"data":[%s],"meta":{"total":%d,"limit":3},"status":"success"}`, strings.Join(list, ","), total)
		total++
	}, Options{})
	var got []string
	for p, err := range All[Person](t.Context(), c, ListClients, ClientsRequest{Page: Page{Limit: 3}}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(p.ID))
	}
	if d := cmp.Diff([]string{"6", "5", "4", "3", "2", "1"}, got); d != "" {
		t.Error(d)
	}
}

// TestPagingCancelled holds that a walk ends with its context, between pages and within one.
func TestPagingCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	calls := 0
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if calls++; calls == 2 {
			cancel()
			<-r.Context().Done()
		}
		_, _ = io.WriteString(w, `{"data":[{"id":1}],"meta":{"total":9,"limit":1},"status":"success"}`)
	}, Options{})
	var n int
	var last error
	for _, err := range All[Person](ctx, c, ListTags, Page{}) {
		n, last = n+1, err
	}
	if e, ok := errors.AsType[*NoReplyError](last); n != 2 || !ok || e.Reason != Timeout || !errors.Is(last, context.Canceled) {
		t.Errorf("%d rows, then %v", n, last)
	}
}
