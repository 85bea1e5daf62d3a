package guest

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/tetratelabs/wazero/sys"

	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/transform/internal/abi"
	"github.com/hermodhq/hermod/sdk/transform/internal/fields"
)

// The codes of a failed call, beside those that a transform gives itself. The class is internal.
const (
	CodeTrapped  = "transform_trapped"        // the guest ended in the middle: a panic, an exit or a WebAssembly trap
	CodeDeadline = "transform_deadline"       // it ran for too long
	CodeMemory   = "transform_memory"         // it ended after it was refused memory over the limit
	CodeCanceled = "transform_canceled"       // the caller's context ended first
	CodeStatus   = "transform_status"         // it failed without a reason
	CodeResult   = "transform_result_invalid" // the message is not valid after it
)

// Call transforms a draft. A failure is a *fault.Fault: what the guest rejected with, or class internal with one of the
// codes above; the draft must then be thrown away. The context ends the call early. After a failed call look at [Instance.Broken].
func (in *Instance) Call(ctx context.Context, d *Draft) error {
	in.memory.refused = false
	in.out.reset()
	in.err.reset()
	in.call.log.reset()
	in.call = call{draft: d, log: in.call.log}
	d.Reset()

	bounded, cancel := bound(ctx, in.module.opts.Deadline)
	defer cancel()
	var stack [1]uint64
	err := in.transform.CallWithStack(&callContext{bounded, &in.call}, stack[:])
	in.call.draft = nil
	switch status := uint32(stack[0]); {
	case err != nil:
		in.broken = true
		return in.fault(ctx, "run", in.module.opts.Deadline, err)
	case in.call.rejected:
		return fields.Rejected(in.call.class, in.call.code, in.module.opts.Name+": "+in.call.text)
	case status != abi.Done:
		return fault.New(fault.Internal, CodeStatus, "transform %s failed without a reason (status %d): let it call reject before it fails",
			in.module.opts.Name, int32(status))
	}
	if f := d.Check(in.module.opts.Name); f != nil {
		return f
	}
	return nil
}

// fault says why the guest did not come to its end.
func (in *Instance) fault(ctx context.Context, doing string, limit time.Duration, err error) *fault.Fault {
	name := in.module.opts.Name
	exit, _ := errors.AsType[*sys.ExitError](err)
	switch {
	case ctx.Err() != nil:
		return fault.New(fault.Internal, CodeCanceled, "transform %s was stopped by its caller: %w", name, ctx.Err())
	case exit != nil && exit.ExitCode() == sys.ExitCodeDeadlineExceeded:
		return fault.New(fault.Internal, CodeDeadline, "transform %s took more than %s to %s and was stopped: look for a loop that does not end", name, limit, doing)
	case in.memory.refused:
		return fault.New(fault.Internal, CodeMemory, "transform %s needed more than %d MiB of memory to %s: let it need less, or raise the memory limit of transforms",
			name, in.module.opts.MemoryLimit>>20, doing)
	case exit != nil:
		return fault.New(fault.Internal, CodeTrapped, "transform %s ended with exit code %d while it should %s: its output at log level debug tells why", name, exit.ExitCode(), doing)
	}
	why, stack, _ := strings.Cut(err.Error(), "\n")
	in.module.opts.Logger.LogAttrs(ctx, slog.LevelDebug, "a transform failed", slog.String("error", fault.Redact(why)), slog.String("stack", fault.Redact(stack)))
	return fault.New(fault.Internal, CodeTrapped, "transform %s failed to %s: %s; its output at log level debug tells more", name, doing, why)
}
