package show

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Counts is where long work stands.
type Counts struct {
	Stored  int
	Refused int
	Waiting int
	Read    int64 // bytes of the input that have been read
	Size    int64 // of the input, in bytes; zero when it is not known
}

// Progress keeps one line on a terminal up to date. Its methods are safe for concurrent use; Stop ends it.
type Progress struct {
	w       io.Writer
	counts  func() Counts
	stop    chan struct{}
	drawing sync.WaitGroup

	mu    sync.Mutex
	drawn bool
	begun time.Time
	last  Counts
	at    time.Time
	rate  float64
}

// StartProgress draws counts on w at each tick, until Stop.
func StartProgress(w io.Writer, now time.Time, tick <-chan time.Time, counts func() Counts) *Progress {
	p := &Progress{w: w, counts: counts, stop: make(chan struct{}), begun: now, at: now}
	p.drawing.Go(func() {
		for {
			select {
			case t := <-tick:
				p.draw(t)
			case <-p.stop:
				return
			}
		}
	})
	return p
}

// Stop ends the drawing and wipes the line. It must be called once.
func (p *Progress) Stop() {
	close(p.stop)
	p.drawing.Wait()
	p.Above(func() {})
}

// Above wipes the line, so that write can write to the same terminal. The next tick draws the line again.
func (p *Progress) Above(write func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.drawn {
		_, _ = io.WriteString(p.w, "\r\x1b[K") // progress is a courtesy
		p.drawn = false
	}
	write()
}

// draw smooths the rate, since messages are stored in groups.
func (p *Progress) draw(now time.Time) {
	c := p.counts()
	p.mu.Lock()
	defer p.mu.Unlock()
	if d := now.Sub(p.at).Seconds(); d > 0 {
		rate := float64(c.Stored-p.last.Stored) / d
		if p.last.Stored == 0 {
			p.rate = rate
		}
		p.rate += (rate - p.rate) / 4
		p.last, p.at = c, now
	}
	_, _ = io.WriteString(p.w, "\r\x1b[K"+p.line(c, now)) // progress is a courtesy
	p.drawn = true
}

func (p *Progress) line(c Counts, now time.Time) string {
	var b strings.Builder
	if c.Size > 0 {
		fmt.Fprintf(&b, "%3d%%  ", min(100, c.Read*100/c.Size))
	}
	fmt.Fprintf(&b, "%s stored, %s refused", Number(c.Stored), Number(c.Refused))
	if c.Waiting > 0 {
		fmt.Fprintf(&b, ", %s waiting", Number(c.Waiting))
	}
	fmt.Fprintf(&b, "  %s/s  %s", Number(int(p.rate)), now.Sub(p.begun).Round(time.Second))
	return b.String()
}

// Number writes n with a comma between each three digits.
func Number(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
