package front

import (
	"bytes"
	"strings"
	"testing"
)

func TestLog(t *testing.T) {
	var copied bytes.Buffer
	l := newLog(&copied)
	for _, part := range []string{`{"msg":"one"}` + "\n" + `{"ms`, `g":"two"}` + "\npanic: boom\n"} {
		if _, err := l.Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
	}
	if e, err := l.Wait(t.Context(), 1, func(e Entry) bool { return e.Text("msg") != "" }); err != nil || e.Text("msg") != "two" {
		t.Errorf("%v, %v", e, err)
	}
	l.end()
	if _, err := l.Wait(t.Context(), 3, func(Entry) bool { return true }); err == nil || !strings.Contains(err.Error(), "panic: boom") {
		t.Errorf("the end does not say why: %v", err)
	}
	if copied.Len() == 0 {
		t.Error("nothing was copied")
	}
}
