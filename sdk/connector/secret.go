package connector

// Secret is a configuration value that must not be shown. It prints and marshals as "[redacted]"; Reveal gives the value.
type Secret string

// Reveal returns the value.
func (s Secret) Reveal() string { return string(s) }

// String hides the value.
func (s Secret) String() string { return "[redacted]" }

// GoString hides the value from %#v.
func (s Secret) GoString() string { return "[redacted]" }

// MarshalText hides the value from encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte("[redacted]"), nil }

// UnmarshalText takes the value.
func (s *Secret) UnmarshalText(b []byte) error { *s = Secret(b); return nil }
