package dispatch_test

import (
	"testing"
	"testing/synctest"

	"github.com/hermodhq/hermod/core/internal/pacing"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
)

// An account that could not be opened grants nothing and bars with what its opener says, until it is connected.
func TestShutAccountWaitsForItsConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, o, end := startLimited(t, connector.Limits{})
		defer end()
		away, lasting := fault.New(fault.Unavailable, "account_not_open", "away"), fault.New(fault.Misconfigured, "account_not_open", "refused")
		d.Shut("one", away)
		d.Submit("one", []pacing.Item{{Ref: 1}, {Ref: 2}})
		o.want(t, "account_not_open")
		d.Shut("one", lasting) // another meaning under the same code
		o.want(t, "account_not_open", "account_not_open")
		if h := d.Pace("one"); len(o.granted) != 0 || h.Queued != 2 || h.State != pacing.Paused {
			t.Errorf("granted %v, %+v", o.granted, h)
		}
		v := &vendor{d: d}
		d.Connect("one", v)
		synctest.Wait()
		if len(o.granted) != 2 {
			t.Fatalf("granted %v after it was connected", o.granted)
		}
		d.Call(calls(t, o.granted))
		synctest.Wait()
		if h := d.Pace("one"); len(v.calls) != 2 || h.State != pacing.Closed {
			t.Errorf("%d calls, %+v", len(v.calls), h)
		}
		d.Pause("one", "unauthorized")
		d.Connect("one", v) // a connection does not end a pause of another kind
		if h := d.Pace("one"); h.State != pacing.Paused {
			t.Errorf("%+v", h)
		}
	})
}
