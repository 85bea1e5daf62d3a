package probe

import (
	"fmt"

	"github.com/hermodhq/hermod/internal/wire"
)

// Callable returns the operations that have an input, but for those that are excused from making one call, or were found not to.
func (p *Probe) Callable() (list []wire.Operation) {
	for _, o := range p.Description.Operations {
		if _, excused := p.Setup.Excuses[OneCall+"/"+o.Name]; !excused && !p.OtherCalls[o.Name] && p.Setup.Inputs[o.Name] != nil {
			list = append(list, o)
		}
	}
	return list
}

// OneCall is the check that each operation makes one call.
const OneCall = "operation_calls"

// Part settles what was found of one operation: it must be good or excused, and not both. problem is empty when it is good.
func (p *Probe) Part(operation, problem, advice string) {
	p.settle(p.Check+"/"+operation, "operation "+operation, problem, advice, p.InParts[p.Check])
}

// Whole settles what was found by a check that may be excused as a whole in the same way.
func (p *Probe) Whole(problem, advice string) { p.settle(p.Check, "the check", problem, advice, true) }

func (p *Probe) settle(name, what, problem, advice string, excusable bool) {
	reason, excuse := p.Setup.Excuses[name]
	switch {
	case excuse && problem == "":
		p.Bad(fmt.Sprintf("remove %q from Harness.Excuses", name), "%s is excused, and passes", what)
	case excuse && reason == "":
		p.Bad(fmt.Sprintf("say in Harness.Excuses[%q] why", name), "the excuse of %s gives no reason", what)
	case excuse && name != p.Check:
		p.Left = append(p.Left, Left{p.Check, what + ": " + reason})
	case excuse:
		p.Left = append(p.Left, Left{p.Check, reason})
	case problem != "" && excusable:
		p.Bad(fmt.Sprintf("%s; or say in Harness.Excuses[%q] why not", advice, name), "%s", problem)
	case problem != "":
		p.Bad(advice, "%s", problem)
	}
}
