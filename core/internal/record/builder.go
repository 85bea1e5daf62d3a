package record

import (
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/hermodhq/hermod/core/internal/ids"
	journalv1 "github.com/hermodhq/hermod/proto/hermod/journal/v1"
)

// entrySize is about what an entry takes without its texts.
const entrySize = 160

// Builder gathers the entries of a frame. It is used again for frame after frame.
type Builder struct {
	Now   time.Time // of all of the frame's entries
	frame journalv1.Frame
	reuse []*journalv1.Entry
	used  int
	size  int
	names map[string]uint32 // the frame's shapes
}

// Begin starts a new frame.
func (b *Builder) Begin(now time.Time) {
	b.Now, b.used, b.size = now.Round(0), 0, 0
	b.frame.Shapes = b.frame.Shapes[:0]
	if b.names == nil {
		b.names = map[string]uint32{}
	}
	clear(b.names)
}

// Add appends an entry, about the message with this id or, with nil, about none. The entry and the id must stay as they
// are until the frame is marshaled.
func (b *Builder) Add(id *ids.ID, kind journalv1.Kind) *journalv1.Entry {
	if b.used == len(b.reuse) {
		b.reuse = append(b.reuse, &journalv1.Entry{})
	}
	entry := b.reuse[b.used]
	b.used++
	b.size += entrySize
	proto.Reset(entry)
	entry.Kind, entry.At = kind, b.Now.UnixNano()
	if id != nil {
		entry.Id = id[:]
	}
	return entry
}

// Grow counts the bytes of an entry's texts.
func (b *Builder) Grow(n int) { b.size += n }

// Texts is about how many bytes the attempts, names and faults of an entry take.
func Texts(entry *journalv1.Entry) int {
	n := len(entry.GetVendorId())
	if f := entry.GetFault(); f != nil {
		n += len(f.GetText()) + len(f.GetVendorText()) + len(f.GetCode()) + len(f.GetVendorCode())
	}
	for _, a := range entry.GetState().GetAttempts() {
		n += 48 + len(a.GetVendorId()) + len(a.GetCode())
	}
	return n
}

// Shape returns 1 + the index of a plan's shape in this frame. name must be its JSON.
func (b *Builder) Shape(text []byte) uint32 {
	if n, ok := b.names[string(text)]; ok {
		return n
	}
	b.frame.Shapes = append(b.frame.Shapes, text)
	n := uint32(len(b.frame.Shapes))
	b.names[string(text)] = n
	b.size += len(text)
	return n
}

// Size returns how many entries the frame has, and about how many bytes.
func (b *Builder) Size() (entries, bytes int) { return b.used, b.size }

// Marshal returns the frame as it is stored.
func (b *Builder) Marshal() ([]byte, error) {
	b.frame.Entries = b.reuse[:b.used]
	return proto.Marshal(&b.frame)
}
