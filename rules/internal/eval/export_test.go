package eval

// IsQuick reports whether a condition runs without the virtual machine.
func IsQuick(c *Condition) bool { return c.quick != nil }
