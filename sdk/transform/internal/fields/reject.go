package fields

import "github.com/hermodhq/hermod/sdk/fault"

// Rejected is the fault of a step whose transform refused the message. A class that is unknown, or that speaks of an
// account or of a vendor's answer, counts as internal: no vendor was called. A code that is not snake_case becomes "transform_rejected".
func Rejected(class, code, text string) *fault.Fault {
	c := fault.Class(class)
	if !c.Known() || c.Action() == fault.Pause || c.Action() == fault.Ask {
		c = fault.Internal
	}
	if !codeOK(code) {
		code = "transform_rejected"
	}
	return fault.New(c, code, "%s", text)
}

func codeOK(code string) bool {
	if code == "" || len(code) > 64 || code[0] < 'a' || code[0] > 'z' {
		return false
	}
	for _, r := range code {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_' {
			return false
		}
	}
	return true
}

// Check returns why the draft cannot be sent as the last call left it, and nil when it can, or when nothing was written. who is
// the transform that left it so.
func (d *Draft) Check(who string) *fault.Fault {
	if d.written == 0 {
		return nil
	}
	if err := d.m.Validate(); err != nil {
		return fault.New(fault.Internal, "transform_result_invalid", "transform %s left a message that is not valid: %w", who, err)
	}
	return nil
}
