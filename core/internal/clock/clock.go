// Package clock is the system's clock, which an engine uses unless its host brings another.
package clock

import "time"

// System tells the system's time.
type System struct{}

// Now returns the present time.
func (System) Now() time.Time { return time.Now() }

// After delivers the time once d has passed; stop releases the timer.
func (System) After(d time.Duration) (<-chan time.Time, func()) {
	t := time.NewTimer(d)
	return t.C, func() { t.Stop() }
}
