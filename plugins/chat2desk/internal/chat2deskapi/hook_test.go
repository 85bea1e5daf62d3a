package chat2deskapi

import (
	"net/http"
	"testing"
)

// TestKnownSignature holds signatures that were made elsewhere (RFC 4231, test case 2).
func TestKnownSignature(t *testing.T) {
	body := []byte("what do ya want for nothing?")
	for _, c := range [][4]string{
		{"sha256", "", "", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
		{"sha512", "", "", "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"},
		{"sha1", "base64", "sha1=", "sha1=7/zfauXrL6LSdBbV8YTfnCWafHk="},
	} {
		s, want := Signature{Algorithm: c[0], Encoding: c[1], Prefix: c[2], Secret: "Jefe"}, c[3]
		if err := s.Check(); err != nil {
			t.Fatal(err)
		}
		if got := s.Sign(nil, body); got != want {
			t.Errorf("%s gives %s", s.Algorithm, got)
		}
		if err := s.Verify(http.Header{http.CanonicalHeaderKey(s.Header): {want}}, body); err != nil {
			t.Error(err)
		}
	}
}

// TestWithoutSecret holds that an empty secret fits nothing, not even its own signature.
func TestWithoutSecret(t *testing.T) {
	s := Signature{}
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	h := http.Header{}
	h.Set(s.Header, s.Sign(nil, nil))
	if s.Verify(h, nil) == nil {
		t.Error("an empty secret is believed")
	}
}

func FuzzVerify(f *testing.F) {
	f.Add("sha256=", "{X-Time}.{body}", "abc", []byte("{}"))
	f.Fuzz(func(t *testing.T, prefix, content, value string, body []byte) {
		s := Signature{Prefix: prefix, Content: content, Secret: "not to be guessed"}
		if s.Check() != nil {
			return
		}
		if s.Verify(http.Header{"X-Chat2desk-Signature": {value}}, body) == nil {
			t.Fatalf("%q is believed", value)
		}
	})
}

func FuzzHook(f *testing.F) {
	f.Add([]byte(`{"hook_type":"inbox","message_id":1,"client":{"id":1}}`))
	f.Add([]byte(`{"hook_type":"new_client","id":"7","tags":{}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if h, err := ParseHook(raw); err == nil && h.HookType == "" {
			t.Fatalf("%+v", h)
		}
	})
}
