package process

import "runtime"

// Forker starts processes from one thread that lives as long as they do. Linux sends the parent-death signal when the
// thread that forked ends, not the process, and the Go runtime ends threads as it likes.
type Forker struct {
	jobs  chan func()
	ended chan struct{}
}

// NewForker starts the thread. Close it after the last of its processes has ended.
func NewForker() *Forker {
	f := &Forker{jobs: make(chan func()), ended: make(chan struct{})}
	go f.loop()
	return f
}

func (f *Forker) loop() {
	defer close(f.ended)
	runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
	for job := range f.jobs {
		job()
	}
}

// do runs fn on the thread.
func (f *Forker) do(fn func() error) error {
	var err error
	done := make(chan struct{})
	f.jobs <- func() {
		defer close(done)
		err = fn()
	}
	<-done
	return err
}

// Close ends the thread, and with it on Linux every process that it started and that still lives.
func (f *Forker) Close() {
	close(f.jobs)
	<-f.ended
}
