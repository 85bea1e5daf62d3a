package omnidesk_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/hermodhq/hermod/plugins/omnidesk/omnidesksim"
	"github.com/hermodhq/hermod/sdk/connector"
)

// section is what the document's page says of one operation.
type section struct {
	method, target string // of the request line
	parameters     []parameter
	sample         map[string]any // the body of the example, nil where it has none
}

// parameter is one line about a parameter. Bounds are "-" where there are none.
type parameter struct {
	operation, name          string
	required                 bool
	kind, low, high, pattern string
}

var (
	sectionStart  = regexp.MustCompile(`(?m)^(\w+)\n\n(?:get|post)\n`)
	requestLine   = regexp.MustCompile(`(?m)^(GET|POST) (\S+) HTTP/1.1$`)
	parameterLine = regexp.MustCompile(`(?m)^(\w+?)(string|number)(?: · (byte|enum|email))?(?: · min: (\d+))?(?: · max: (\d+))?(Required|Optional)(?:Default: .*|Pattern: (.*)|Possible values:)?$`)
	laterPattern  = regexp.MustCompile(`(?m)^Pattern: (.*)$`)
	sampleBody    = regexp.MustCompile(`(?s)Content-Length: \d+\n\n(.*?)200Success`)
	menuEntry     = regexp.MustCompile(`(?m)^  • (GET|POST)(\w+)$`)
)

// chatPage reads the document's page about the Chat controller, which testdata holds as it is.
func chatPage(t testing.TB) map[string]section {
	t.Helper()
	raw := string(readFile(t, "testdata/chat_page.txt"))
	starts := sectionStart.FindAllStringSubmatchIndex(raw, -1)
	sections := map[string]section{}
	for i, at := range starts {
		end := len(raw)
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}
		text, name := raw[at[0]:end], raw[at[2]:at[3]]
		line := requestLine.FindStringSubmatch(text)
		s := section{method: line[1], target: line[2]}
		for _, m := range parameterLine.FindAllStringSubmatch(text, -1) {
			s.parameters = append(s.parameters, parameter{"chat/" + name, m[1], m[6] == "Required", cmp.Or(m[3], m[2]), cmp.Or(m[4], "-"), cmp.Or(m[5], "-"), cmp.Or(m[7], "-")})
		}
		if m := laterPattern.FindStringSubmatch(text); m != nil && name == "checkOriginAndIP" {
			s.parameters[2].pattern = m[1] // of origin: a sentence stands between
		}
		if m := sampleBody.FindStringSubmatch(text); m != nil {
			if err := json.Unmarshal([]byte(m[1]), &s.sample); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		sections[name] = s
	}
	menu := menuEntry.FindAllStringSubmatch(raw, -1)
	for _, m := range menu {
		if sections[m[2]].method != m[1] {
			t.Fatalf("the page names %s %s, and %+v was read of it", m[1], m[2], sections[m[2]])
		}
	}
	if len(menu) != 9 || len(sections) != 9 {
		t.Fatalf("%d operations and %d sections, the page has 9", len(menu), len(sections))
	}
	return sections
}

// byEndpoint finds the example of an operation of the page.
func byEndpoint(t testing.TB, s section) example {
	t.Helper()
	path, _, _ := strings.Cut(s.target, "?")
	for _, e := range examples(t) {
		if e.Request.Path == path && e.Request.Name == s.method+" "+strings.TrimPrefix(path, "/api/v2/") {
			return e
		}
	}
	t.Fatalf("%s %s has no example", s.method, s.target)
	return example{}
}

// TestDocumentSamples sends the page's samples as they stand: placeholders that break the page's own limits. The connector refuses
// them before the call, and the simulator when it gets them. The examples keep every value of them that fits.
func TestDocumentSamples(t *testing.T) {
	sim, base := startSim(t, omnidesksim.Options{})
	a := openAccount(t, base, documented)
	for name, s := range chatPage(t) {
		e := byEndpoint(t, s)
		_, rawQuery, _ := strings.Cut(s.target, "?")
		query, err := url.ParseQuery(rawQuery)
		if err != nil {
			t.Fatal(err)
		}
		if s.sample == nil {
			continue // GET: its example is the whole of it
		}
		input := maps.Clone(s.sample)
		for name := range query {
			input[name] = query.Get(name)
		}
		raw, err := json.Marshal(input)
		if err != nil {
			t.Fatal(err)
		}
		before, _ := sim.Seen()
		_, err = a.Invoke(t.Context(), e.Operation, raw)
		wantFault(t, err, "content_rejected", "parameter_invalid")
		if after, _ := sim.Seen(); len(after) != len(before) {
			t.Errorf("%s: the vendor was asked", name)
		}
		body, err := json.Marshal(s.sample)
		if err != nil {
			t.Fatal(err)
		}
		if status, _ := sendRaw(t, "POST", base+s.target, "multipart/form-data", string(body)); status != 400 {
			t.Errorf("%s: the simulator answers %d", name, status)
		}
		var sent map[string]any
		if err := json.Unmarshal(e.Input, &sent); err != nil {
			t.Fatal(err)
		}
		for _, p := range s.parameters {
			legal := values(p, nil)
			v, text := s.sample[p.name], fmt.Sprint(s.sample[p.name])
			if good, known := legal[text]; v == nil || text == "" || p.name == "chatSessionID" || strings.HasPrefix(p.name, "chat") || known && !good || !known && !fits(p, text) {
				continue
			}
			if fmt.Sprint(sent[p.name]) != text {
				t.Errorf("%s.%s is %v in the example, and %q in the document", name, p.name, sent[p.name], text)
			}
		}
	}
}

// fits says whether a text is within a parameter's bounds.
func fits(p parameter, text string) bool {
	low, err := strconv.Atoi(p.low)
	return (err != nil || p.kind == "number" || len(text) >= low) && (p.pattern == "-" || regexp.MustCompile(p.pattern).MatchString(text))
}

// TestDocumentLimits holds every pattern and limit of the documents: what is at the limit is sent, and what is beyond it is refused
// before the call, and by the simulator.
func TestDocumentLimits(t *testing.T) {
	byOperation := map[string]example{}
	for _, e := range examples(t) {
		byOperation[e.Operation] = e
	}
	var rows []parameter
	for _, s := range chatPage(t) {
		e := byEndpoint(t, s)
		for _, p := range s.parameters {
			p.operation = e.Operation
			rows = append(rows, p)
		}
	}
	if len(rows) != 34 {
		t.Errorf("%d parameters, the page has 34", len(rows))
	}
	for _, m := range regexp.MustCompile(`(?m)^(\S+\.\S+) +(\w+) +([RO]) (\w+) +(\S+) +(\S+) +(.+)$`).FindAllStringSubmatch(string(readFile(t, "testdata/parameters.txt")), -1) {
		rows = append(rows, parameter{m[1], m[2], m[3] == "R", m[4], m[5], m[6], m[7]})
	}
	if len(rows) != 34+31 {
		t.Errorf("%d parameters, want 65", len(rows))
	}
	sim, base := startSim(t, omnidesksim.Options{Forms: []int{5}})
	a := openAccount(t, base, documented)
	for _, p := range rows {
		t.Run(p.operation+"/"+p.name, func(t *testing.T) { p.check(t, sim, base, a, byOperation[p.operation]) })
	}
}

// check sends the example with each value of one parameter.
func (p parameter) check(t *testing.T, sim *omnidesksim.Sim, base string, a connector.Account, e example) {
	input := map[string]any{}
	if err := json.Unmarshal(e.Input, &input); err != nil {
		t.Fatal(err)
	}
	for value, good := range values(p, input[p.name]) {
		if value == "" && (p.name == "chatServer" || p.name == "chatAccountToken" || p.kind == "number" || p.kind == "list") {
			continue // the account's own; no number; no list
		}
		input[p.name] = value
		if n, err := strconv.Atoi(value); err == nil && p.kind == "number" {
			input[p.name] = n
		} else if p.kind == "list" {
			input[p.name] = []string{value}
		}
		raw, err := json.Marshal(input)
		if err != nil {
			t.Fatal(err)
		}
		before, _ := sim.Seen()
		_, err = a.Invoke(t.Context(), e.Operation, raw)
		after, _ := sim.Seen()
		if asked := len(after) > len(before); asked != good {
			t.Errorf("%q: the vendor was asked: %t %v", value, asked, err)
		}
		if !good {
			if f := faultOf(t, err); f.Code != "parameter_invalid" || f.VendorCode != p.name || strings.Contains(err.Error(), "must not show") {
				t.Errorf("%q: %v", value, err)
			}
		}
		if p.kind == "enum" || p.kind == "byte" && value != "" || p.name == "chatAccountToken" && good {
			continue // the simulator takes any word and any text, and one token only
		}
		form, query := url.Values{}, url.Values{}
		for _, part := range []struct {
			to   url.Values
			from map[string]string
		}{{form, e.Request.Form}, {query, e.Request.Query}} {
			for k, v := range part.from {
				if part.to.Set(k, v); strings.TrimSuffix(k, "[]") == p.name {
					part.to.Set(k, value)
				} else if strings.HasSuffix(k, "[]") {
					part.to[k] = strings.Split(v, ",")
				}
			}
		}
		method, _, _ := strings.Cut(e.Request.Name, " ")
		status, body := sendRaw(t, method, base+e.Request.Path+"?"+query.Encode(), "application/x-www-form-urlencoded", form.Encode())
		if (status == 200) != good {
			t.Errorf("%q: the simulator answers %d %s", value, status, body)
		}
	}
}

// values returns texts that fit a documented parameter, and texts that do not. like is one that fits, or nil.
func values(p parameter, like any) map[string]bool {
	all := map[string]bool{"": !p.required}
	smallest, err1 := strconv.Atoi(p.low)
	largest, err2 := strconv.Atoi(p.high)
	switch p.kind {
	case "number":
		all["7"] = true
		if err1 == nil {
			all[p.low], all[strconv.Itoa(smallest-1)], all[strconv.Itoa(smallest-2)] = true, false, false
		}
		if err2 == nil {
			all[p.high], all[strconv.Itoa(largest+1)] = true, false
		}
		return all
	case "enum":
		return map[string]bool{"": false, "startedtyping": true, "stoppedtyping": true, "must not show": false}
	case "email":
		return map[string]bool{"": true, "name@gmail.com": true, "name": false, "a b@gmail.com": false, "a@b": false}
	case "byte":
		return map[string]bool{"": false, "Ynl0ZXM=": true, "must not show": false}
	case "time":
		return map[string]bool{"": true, "2026-01-31 09:00:00": true, "2026-12-01 23:59:59": true, "2026-13-01 09:00:00": false, "2026-01-32 09:00:00": false, "2026-01-31 24:00:00": false, "2026-01-31": false,
			"2026-1-31 09:00:00": false, "2026-01-31T09:00:00Z": false}
	}
	re := regexp.MustCompile(cmp.Or(strings.TrimPrefix(p.pattern, "-"), "(?s).*"))
	sized := func(n int) string { return strings.Repeat("4", max(n, 0)) }
	if strings.HasPrefix(p.pattern, `^\+[`) {
		sized = func(n int) string { return "+" + strings.Repeat("4", max(n-1, 1)) }
	}
	base := sized(max(smallest, 12))
	if text, ok := like.(string); ok && !re.MatchString(base) {
		base = text
	}
	all[base] = re.MatchString(base)
	if err1 == nil {
		all[sized(smallest)] = true
		if smallest > 1 {
			all[sized(smallest-1)] = false
		}
	}
	if err2 == nil {
		all[sized(largest)], all[sized(largest+1)] = true, false
	}
	for _, c := range " !\"#%&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~éß\u0664" { // in the middle and in front
		for _, s := range []string{base + string(c) + base, string(c) + base} {
			if err2 != nil || len([]rune(s)) <= largest {
				all[s] = re.MatchString(s)
			}
		}
	}
	all[base+"\n"] = re.MatchString(base + "\n")
	return all
}
