package omnidesk

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/hermodhq/hermod/sdk/connector"
)

func FuzzHook(f *testing.F) {
	f.Add("application/json", "", `{"chatSessionID":"tel-447700900140","message":{"text":"Hi"},"file":"Ynl0ZXM="}`)
	f.Add("multipart/form-data; boundary=b", "a=1", "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\n\r\nbytes\r\n--b--\r\n")
	f.Add("", "", "chatSessionID=visitor-000001&url=https%3A%2F%2Fx.example")
	f.Add("", "", "session=visitor-000001&message=\xff&file=http://")
	f.Add("application/json", "", `[[{"a":null,"a_":[1,true,"x"]}]]`)
	a := &account{prefix: "tel-", repeats: time.Minute, zone: time.UTC, now: time.Now, cfg: config{HookAuth: "none"}}
	f.Fuzz(func(t *testing.T, contentType, query, body string) {
		for _, hook := range []string{"messageForCustomer", "uploadForCustomer", "other"} {
			req := &connector.Request{Method: http.MethodPost, Path: "/" + hook, Query: query, Body: []byte(body), Header: http.Header{"Content-Type": {contentType}}}
			res, events, err := a.Receive(t.Context(), req)
			if err != nil || res.Status != http.StatusOK {
				if len(events) != 0 {
					t.Fatal("there are events beside a refusal")
				}
				continue
			}
			if len(events) == 0 {
				t.Fatal("a call that was taken is lost")
			}
			for _, e := range events {
				if !json.Valid(e.Vendor) {
					t.Fatalf("%+v", e)
				}
				if in := e.Inbound; in != nil && len(body) < 200 && in.Content.Validate() != nil {
					t.Fatalf("content %+v", in.Content)
				}
			}
		}
	})
}
