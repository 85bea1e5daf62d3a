//go:build !wasip1

package transform

import (
	"github.com/hermodhq/hermod/sdk/message"
	"github.com/hermodhq/hermod/sdk/transform/internal/abi"
	"github.com/hermodhq/hermod/sdk/transform/internal/fields"
)

// Register makes f the transform of this module. Call it once, in init. Outside WebAssembly it does nothing.
func Register(Func) {}

// Apply runs f on m without WebAssembly, for tests, and gives m what f made of it. On failure m is as it was, and the
// error is the *fault.Fault that the step would fail with. Log lines are dropped. A panic in f is the caller's.
func Apply(f Func, m *message.Message) error {
	d := fields.New(m)
	if r := run(f, &Message{host: host{d}}); r != nil {
		return fields.Rejected(string(r.Class), r.Code, r.Text)
	}
	if f := d.Check("under test"); f != nil {
		return f
	}
	*m = d.Message()
	return nil
}

// host is a message in this process.
type host struct{ d *fields.Draft }

func (h host) get(path string) (string, abi.Status) { return h.d.Get([]byte(path)) }

func (h host) getJSON(path string) ([]byte, abi.Status) { return h.d.GetJSON([]byte(path)) }

func (h host) set(path, value string) abi.Status { return h.d.Set([]byte(path), value) }

func (h host) del(path string) abi.Status { return h.d.Delete([]byte(path)) }

func (h host) setJSON(path string, raw []byte) abi.Status { return h.d.SetJSON([]byte(path), raw) }

func (host) log(Level, string) {}
