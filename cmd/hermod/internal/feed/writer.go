package feed

import (
	"bufio"
	"io"
	"sync"
)

// Writer writes lines in the background, gathers them while it is busy, and flushes whenever it has caught up.
type Writer struct {
	lines chan []byte
	done  sync.WaitGroup
	err   error
}

// NewWriter starts a writer to w; flush, which may be nil, is called after each flush. Close ends it.
func NewWriter(w io.Writer, flush func() error) *Writer {
	lw := &Writer{lines: make(chan []byte, 1024)}
	lw.done.Go(func() { lw.run(bufio.NewWriterSize(w, 64<<10), flush) })
	return lw
}

// Write hands a line over, its line end included; the line must not be changed afterwards. It waits while 1024 lines are
// queued. It must not be called after Close.
func (w *Writer) Write(line []byte) { w.lines <- line }

// Close writes what is queued and returns the first error that writing met.
func (w *Writer) Close() error {
	close(w.lines)
	w.done.Wait()
	return w.err
}

// run goes on taking lines after an error, so that nobody waits for ever.
func (w *Writer) run(b *bufio.Writer, flush func() error) {
	for line := range w.lines {
		if w.err != nil {
			continue
		}
		if _, w.err = b.Write(line); w.err == nil && len(w.lines) == 0 {
			w.err = b.Flush()
			if w.err == nil && flush != nil {
				w.err = flush()
			}
		}
	}
}
