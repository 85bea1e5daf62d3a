package directory

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"sync"

	"github.com/hermodhq/hermod/core/internal/journal/internal/jerr"
)

// MarksFile is the name of the marks in the directory. Removing it accepts that frames were lost.
const MarksFile = "journal.marks"

const (
	markSlot = 512 // one disk sector each, so that a slot is written whole
	markSize = 20
)

// Marks is a small file beside the server's own: per partition the last acknowledged sequence and the first that was
// not trimmed. The server repairs a damaged store by cutting it off at the damage, without an error; the marks
// are how that is noticed. Each append writes its slot without an fsync (about a microsecond): after a power cut a mark
// may be older than the log, which is harmless, and never newer than what was fsynced.
type Marks struct {
	mu    sync.Mutex
	f     *os.File
	slots []mark
}

type mark struct {
	last, first uint64 // 0: nothing known
}

func openMarks(path string, n int) (*Marks, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, roomOr(path, err)
	}
	m := &Marks{f: f, slots: make([]mark, n)}
	for i := range m.slots {
		var buf [markSize]byte
		if _, err := f.ReadAt(buf[:], int64(i)*markSlot); err != nil {
			if errors.Is(err, io.EOF) {
				break
			}
			_ = f.Close()
			return nil, notWritable(path, err)
		}
		m.slots[i] = parseMark(buf[:])
	}
	return m, nil
}

// parseMark reads a slot; one that was never written or is damaged counts as unknown.
func parseMark(buf []byte) mark {
	if len(buf) < markSize || crc32.ChecksumIEEE(buf[:16]) != binary.LittleEndian.Uint32(buf[16:]) {
		return mark{}
	}
	return mark{last: binary.LittleEndian.Uint64(buf), first: binary.LittleEndian.Uint64(buf[8:])}
}

func (k mark) bytes() [markSize]byte {
	var buf [markSize]byte
	binary.LittleEndian.PutUint64(buf[:], k.last)
	binary.LittleEndian.PutUint64(buf[8:], k.first)
	binary.LittleEndian.PutUint32(buf[16:], crc32.ChecksumIEEE(buf[:16]))
	return buf
}

func (m *Marks) get(i int) mark {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.slots[i]
}

// Acked notes that everything up to seq was acknowledged. An error only weakens the next check and is not reported.
func (m *Marks) Acked(i int, seq uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.slots[i].last = max(m.slots[i].last, seq)
	buf := m.slots[i].bytes()
	_, _ = m.f.WriteAt(buf[:], int64(i)*markSlot)
}

// Trim notes, durably, that everything before seq is about to be trimmed. On a full disk an existing
// slot can still be written.
func (m *Marks) Trim(i int, seq uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if seq <= m.slots[i].first {
		return nil
	}
	k := m.slots[i]
	k.first = seq
	buf := k.bytes()
	if _, err := m.f.WriteAt(buf[:], int64(i)*markSlot); err != nil {
		return roomOr(MarksFile, err)
	}
	if err := m.f.Sync(); err != nil {
		return roomOr(MarksFile, err)
	}
	m.slots[i] = k
	return nil
}

// Check compares a partition's bounds with what is remembered.
func (m *Marks) Check(i int, first, last uint64, sync bool) error {
	k := m.get(i)
	if k.last > last && sync {
		return jerr.New(jerr.CodeCorrupt, jerr.AdviceRestore+"; to go on without those frames, remove "+MarksFile,
			"partition %d ends at frame %d, but frames up to %d were acknowledged", i, last, k.last)
	}
	if k.last > 0 && first > max(k.first, 1) {
		return jerr.New(jerr.CodeCorrupt, jerr.AdviceRestore+"; to go on without those frames, remove "+MarksFile,
			"partition %d begins at frame %d, but only frames before %d were trimmed", i, first, max(k.first, 1))
	}
	return nil
}

// CheckCursors is Check for the stream of the cursors, of which older values go by themselves.
func (m *Marks) CheckCursors(i int, last uint64) error {
	if k := m.get(i); k.last > last {
		return jerr.New(jerr.CodeCorrupt, jerr.AdviceRestore+"; to go on with older or no cursors, remove "+MarksFile,
			"the stream of the cursors ends at %d, but values up to %d were acknowledged", last, k.last)
	}
	return nil
}

// Set notes the bounds that a check accepted.
func (m *Marks) Set(i int, first, last uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.slots[i] = mark{last: last, first: first}
	buf := m.slots[i].bytes()
	_, _ = m.f.WriteAt(buf[:], int64(i)*markSlot)
}

func (m *Marks) close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return errors.Join(m.f.Sync(), m.f.Close())
}
