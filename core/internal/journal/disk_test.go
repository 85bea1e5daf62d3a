//go:build linux

package journal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const bigFrame = 64 << 10

// untilFull appends until that fails and returns the number of frames and the error.
func untilFull(ctx context.Context, p *Partition, limit int) (int, error) {
	for n := range limit {
		if _, err := p.Append(ctx, make([]byte, bigFrame)); err != nil {
			return n, err
		}
	}
	return limit, errors.New("the disk did not fill up")
}

// countFrames scans and checks that nothing is missing.
func countFrames(ctx context.Context, p *Partition) (int, error) {
	first, _ := p.Bounds()
	n := 0
	err := p.Scan(ctx, 0, func(f Frame) error {
		if f.Seq != first+uint64(n) {
			return fmt.Errorf("frame %d after %d frames", f.Seq, n)
		}
		n++
		return nil
	})
	return n, err
}

func TestDiskFull(t *testing.T) {
	mount := t.TempDir()
	if err := unix.Mount("tmpfs", mount, "tmpfs", 0, "size=6m"); err != nil {
		t.Skipf("no tmpfs for this user: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(mount, unix.MNT_DETACH) })
	ballast := filepath.Join(mount, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 2<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := testConfig(filepath.Join(mount, "journal"))
	j := start(t, cfg)
	p := j.Partition(0)
	stored, err := untilFull(t.Context(), p, 1000)
	wantCode(t, err, CodeDiskFull)
	if stored < 10 {
		t.Fatalf("only %d frames fitted", stored)
	}
	_, err = p.Append(t.Context(), make([]byte, bigFrame))
	wantCode(t, err, CodeDiskFull)
	wantCode(t, j.SetCursor(t.Context(), "somebody", make([]byte, MaxCursor)), CodeDiskFull)
	if n, err := countFrames(t.Context(), p); err != nil || n != stored {
		t.Fatalf("on the full disk: %d frames of %d, %v", n, stored, err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	f, err := p.Append(t.Context(), frameData(1))
	if err != nil || f.Seq != uint64(stored+1) {
		t.Fatalf("with room again: %+v, %v", f, err)
	}
	if _, err := j.Partition(1).Append(t.Context(), frameData(1)); err != nil {
		t.Fatalf("another partition: %v", err)
	}
	if err := j.Err(); err != nil {
		t.Fatalf("a full disk is no loss: %v", err)
	}
	stop(t, j)
	if n, err := countFrames(t.Context(), start(t, cfg).Partition(0)); err != nil || n != stored+1 {
		t.Fatalf("reopened: %d frames of %d, %v", n, stored+1, err)
	}
}

// TestTrimFullDisk gets the room from the journal itself.
func TestTrimFullDisk(t *testing.T) {
	mount := t.TempDir()
	if err := unix.Mount("tmpfs", mount, "tmpfs", 0, "size=24m"); err != nil {
		t.Skipf("no tmpfs for this user: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(mount, unix.MNT_DETACH) })
	j := start(t, testConfig(filepath.Join(mount, "journal")))
	p := j.Partition(0)
	stored, err := untilFull(t.Context(), p, 1000)
	wantCode(t, err, CodeDiskFull)
	if err := p.TrimBefore(t.Context(), uint64(stored/2)); err != nil {
		t.Fatalf("TrimBefore on a full disk: %v", err)
	}
	if _, err := p.Append(t.Context(), make([]byte, bigFrame)); err != nil {
		t.Fatalf("after the trim: %v", err)
	}
}

// TestCursorFillsDisk lets a cursor be the write that fails.
func TestCursorFillsDisk(t *testing.T) {
	mount := t.TempDir()
	if err := unix.Mount("tmpfs", mount, "tmpfs", 0, "size=3m"); err != nil {
		t.Skipf("no tmpfs for this user: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(mount, unix.MNT_DETACH) })
	j := start(t, testConfig(filepath.Join(mount, "journal")))
	var err error
	for n := 0; n < 100 && err == nil; n++ {
		err = j.SetCursor(t.Context(), fmt.Sprint(n), make([]byte, MaxCursor))
	}
	wantCode(t, err, CodeDiskFull)
	if v, err := j.Cursor(t.Context(), "0"); err != nil || len(v) != MaxCursor {
		t.Fatalf("%d bytes, %v", len(v), err)
	}
}

func TestFileSizeLimit(t *testing.T) {
	out, err := childCommand(t, "limit", t.TempDir()).Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// childLimit uses a limit on this process's files as a disk that fills up and grows again.
func childLimit(ctx context.Context, dir string) error {
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &old); err != nil {
		return err
	}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 1 << 20, Max: old.Max}); err != nil {
		return err
	}
	j, err := Open(ctx, testConfig(dir))
	if err != nil {
		return err
	}
	p := j.Partition(0)
	stored, err := untilFull(ctx, p, 100)
	if !errors.Is(err, ErrDiskFull) || stored < 10 {
		return fmt.Errorf("after %d frames: %w", stored, err)
	}
	if _, err := untilFull(ctx, p, 100); !errors.Is(err, ErrDiskFull) {
		return fmt.Errorf("again: %w", err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &old); err != nil {
		return err
	}
	_, before := p.Bounds()
	if f, err := p.Append(ctx, frameData(1)); err != nil || f.Seq != before+1 {
		return fmt.Errorf("without the limit: frame %d after %d: %w", f.Seq, before, err)
	}
	if n, err := countFrames(ctx, p); err != nil || n != int(before)+1 {
		return fmt.Errorf("%d frames of %d: %w", n, before+1, err)
	}
	return j.Close(ctx)
}

func TestCeiling(t *testing.T) {
	cfg := testConfig(t.TempDir())
	cfg.MaxBytes = 2 << 20
	j := start(t, cfg)
	p := j.Partition(0)
	stored, err := untilFull(t.Context(), p, 1000)
	wantCode(t, err, CodeDiskFull)
	if stored < 20 || stored > 40 {
		t.Fatalf("%d frames of 64 KiB in 2 MiB", stored)
	}
	stop(t, j)
	cfg.MaxBytes = 1 << 20 // lower than what is stored: still opens and reads
	j = start(t, cfg)
	p = j.Partition(0)
	if n, err := countFrames(t.Context(), p); err != nil || n != stored {
		t.Fatalf("%d frames of %d, %v", n, stored, err)
	}
	_, err = p.Append(t.Context(), frameData(1))
	wantCode(t, err, CodeDiskFull)
	if err := p.TrimBefore(t.Context(), uint64(stored-2)); err != nil {
		t.Fatal(err)
	}
	if f, err := p.Append(t.Context(), frameData(1)); err != nil || f.Seq != uint64(stored+1) {
		t.Fatalf("after the trim: %+v, %v", f, err)
	}
}

func TestNotWritable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), testConfig(filepath.Join(file, "journal")))
	wantCode(t, err, CodeNotWritable)
	if !strings.Contains(err.Error(), file) {
		t.Errorf("%q does not name the directory", err)
	}
	if os.Geteuid() == 0 {
		_, err = Open(t.Context(), testConfig("/proc/hermod-journal")) // where not even root can write
	} else {
		dir := t.TempDir()
		if err := os.Chmod(dir, 0o500); err != nil {
			t.Fatal(err)
		}
		_, err = Open(t.Context(), testConfig(dir))
	}
	wantCode(t, err, CodeNotWritable)
}
