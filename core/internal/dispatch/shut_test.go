package dispatch_test

import (
	"testing"
	"testing/synctest"
	"time"

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
		if h := d.Pace("one"); len(o.granted) != 0 || h.Queued != 2 {
			t.Errorf("granted %v, %+v", o.granted, h)
		}
		if !d.Resume("one") || len(o.granted) != 0 { // it was opened just now, and is not connected yet
			t.Errorf("granted %v by being resumed", o.granted)
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
		d.Pause("one", "unauthorized", "401")
		d.Connect("one", v) // a connection does not end a pause of another kind
		if h := d.Pace("one"); h.State != pacing.Paused {
			t.Errorf("%+v", h)
		}
	})
}

// While an account's connection is lost its messages wait, at the gate as well, and what the lost calls say is not held against the vendor.
func TestLostConnection(t *testing.T) {
	for _, limit := range []float64{0, 1000} {
		synctest.Test(t, func(t *testing.T) {
			d, o, end := startLimited(t, connector.Limits{PerSecond: limit})
			defer end()
			v := &silent{}
			d.Connect("one", v)
			turns := make([]pacing.Item, 30)
			for i := range turns {
				turns[i].Ref = uint64(i + 1)
			}
			d.Submit("one", turns[:20])
			synctest.Wait()
			under := calls(t, o.granted)
			d.Call(under)
			<-time.After(time.Second)
			d.Lost("one", nil)
			for _, c := range under { // the connector died with them
				d.Answered("one", []connector.Answer{{Message: c.ID.Message(), Attempt: 1, Err: fault.New(fault.OutcomeUnknown, "connector_died", "it was killed")}})
			}
			had := len(o.granted)
			d.Submit("one", turns[20:])
			waits := calls(t, turns[29:])
			if limit > 0 {
				d.Call(waits) // recorded just before
			}
			<-time.After(time.Hour)
			synctest.Wait()
			if h := d.Pace("one"); len(o.granted) != had || v.calls != 20 || h.State != pacing.Closed || len(o.barred) > 0 {
				t.Errorf("limit %v: %d granted, %d calls, barred %v, %+v", limit, len(o.granted)-had, v.calls, o.barred, h)
			}
			d.Lost("one", fault.New(fault.Unavailable, "connector_down", "for long"))
			o.want(t, "connector_down")
			d.Pause("one", "unauthorized", "401")
			d.Back("one") // does not end a pause of another kind
			synctest.Wait()
			if h := d.Pace("one"); h.State != pacing.Paused || limit > 0 && v.calls != 21 {
				t.Errorf("limit %v: %d calls, %+v", limit, v.calls, h)
			}
			d.Resume("one")
			synctest.Wait()
			if len(o.granted) <= had {
				t.Errorf("limit %v: nothing is granted after it was back", limit)
			}
			d.Quiet()
			d.Lost("one", nil)
			if err := d.Settle(t.Context()); err != nil {
				t.Errorf("limit %v: stopping waits for a lost connection: %v", limit, err)
			}
		})
	}
}
