package guest

import (
	"context"
	"time"

	"github.com/tetratelabs/wazero"
)

// How a guest that runs for too long is stopped is decided here and nowhere else: wazero checks the context at every loop
// header. That is costly for guests with tight loops; whatever replaces it has to stop a guest that never calls out.

func runtimeConfig() wazero.RuntimeConfig {
	return wazero.NewRuntimeConfig().WithCloseOnContextDone(true).WithDebugInfoEnabled(false)
}

// bound returns the context of one call, which ends the guest after d.
func bound(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, d)
}
