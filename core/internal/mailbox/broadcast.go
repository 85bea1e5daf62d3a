package mailbox

// Broadcast wakes everybody who waits for a change. Make it with [NewBroadcast]. It is safe for concurrent use.
type Broadcast struct{ c chan chan struct{} }

// NewBroadcast returns a broadcast that nobody waits for.
func NewBroadcast() *Broadcast {
	b := &Broadcast{c: make(chan chan struct{}, 1)}
	b.c <- make(chan struct{})
	return b
}

// Wait returns a channel that is closed at the next change.
func (b *Broadcast) Wait() <-chan struct{} {
	c := <-b.c
	b.c <- c
	return c
}

// Send tells of a change.
func (b *Broadcast) Send() {
	c := <-b.c
	close(c)
	b.c <- make(chan struct{})
}
