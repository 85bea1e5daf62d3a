package wasmhost

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/transform/guest"
)

// pool is one transform and its instances. Instances are made when they are first needed and handed out last in, first
// out, so that the few that the load asks for stay warm.
type pool struct {
	name   string
	module *guest.Module
	slots  chan struct{} // one value for each call under way; close fills it up
	closed chan struct{} // closed when no further call is taken
	shut   func()        // closes it, once

	mu   sync.Mutex // guards idle
	idle []*guest.Instance

	starting sync.Mutex // held while an instance is made: wazero does not make two of one module at once safely

	filled int  // slots that close has taken; only close touches it
	freed  bool // only close touches it
}

// newPool compiles a module and starts its first instance.
func newPool(ctx context.Context, cfg Config, name string, wasm []byte) (*pool, error) {
	workers := cfg.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	module, err := guest.Compile(ctx, wasm, guest.Options{
		Name: name, CacheDir: cfg.CacheDir, MemoryLimit: cfg.MemoryLimit,
		Deadline: cfg.Deadline, StartDeadline: cfg.StartDeadline, Logger: cfg.Logger,
	})
	if err != nil {
		return nil, fmt.Errorf("compile: %w", err)
	}
	first, err := module.Start(ctx)
	if err != nil {
		_ = module.Close(context.WithoutCancel(ctx))
		return nil, fmt.Errorf("start: %w", err)
	}
	closed := make(chan struct{})
	return &pool{
		name: name, module: module, slots: make(chan struct{}, workers), idle: []*guest.Instance{first},
		closed: closed, shut: sync.OnceFunc(func() { close(closed) }),
	}, nil
}

// apply runs the transform on a draft, with an instance that nobody else uses meanwhile.
func (p *pool) apply(ctx context.Context, d *guest.Draft) error {
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-p.closed:
		return p.replaced()
	case <-ctx.Done():
		return fault.New(fault.Internal, guest.CodeCanceled, "waiting for transform %s was stopped by the caller: %w", p.name, ctx.Err())
	}
	select {
	case <-p.closed: // it was closed while a slot was free too
		return p.replaced()
	default:
	}
	in, err := p.take(ctx)
	if err != nil {
		return err
	}
	err = in.Call(ctx, d)
	if in.Broken() {
		_ = in.Close(context.WithoutCancel(ctx))
		return err
	}
	p.mu.Lock()
	p.idle = append(p.idle, in)
	p.mu.Unlock()
	return err
}

func (p *pool) replaced() error {
	return fault.New(fault.Internal, CodeClosed, "transform %s was replaced meanwhile: apply it from the current set", p.name)
}

func (p *pool) take(ctx context.Context) (*guest.Instance, error) {
	if in := p.pop(); in != nil {
		return in, nil
	}
	p.starting.Lock()
	defer p.starting.Unlock()
	if in := p.pop(); in != nil {
		return in, nil
	}
	in, err := p.module.Start(ctx)
	if err != nil {
		return nil, fault.From(err)
	}
	return in, nil
}

func (p *pool) pop() *guest.Instance {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.idle)
	if n == 0 {
		return nil
	}
	in := p.idle[n-1]
	p.idle[n-1] = nil
	p.idle = p.idle[:n-1]
	return in
}

// close waits for the calls under way by taking every slot, then frees the module with all its instances. It goes on where an
// earlier call was cut short.
func (p *pool) close(ctx context.Context) error {
	if p.freed {
		return nil
	}
	for ; p.filled < cap(p.slots); p.filled++ {
		select {
		case p.slots <- struct{}{}:
		case <-ctx.Done():
			return fmt.Errorf("wait for transform %s: %w", p.name, ctx.Err())
		}
	}
	err := p.module.Close(ctx)
	p.freed, p.idle, p.module = true, nil, nil // whoever still holds the set shall not hold its code and memory
	if err != nil {
		return fmt.Errorf("close the transforms: %w", err)
	}
	return nil
}
