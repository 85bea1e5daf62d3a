package table

import (
	"encoding/json"
	"reflect"

	"github.com/hermodhq/hermod/sdk/message"
)

// Shape is a plan without its steps' contents. All messages of one route and revision share one.
type Shape struct {
	Plan *message.Plan
	JSON []byte
}

// Shapes keeps each shape once. It starts afresh when too many revisions have come and gone; messages keep theirs alive.
type Shapes struct {
	byName map[[2]string]*Shape
	byJSON map[string]*Shape
}

const mostShapes = 4096

// Of returns the shape of a plan.
func (s *Shapes) Of(p *message.Plan) (*Shape, error) {
	name := [2]string{p.Revision, p.Route}
	if have := s.byName[name]; have != nil && same(have.Plan, p) {
		return have, nil
	}
	bare := *p
	bare.Steps = append([]message.Step(nil), p.Steps...)
	for i := range bare.Steps {
		bare.Steps[i].Content = message.Content{}
	}
	text, err := json.Marshal(&bare)
	if err != nil {
		return nil, err
	}
	made := s.intern(text, &bare)
	s.byName[name] = made
	return made, nil
}

// Parse returns the shape that a frame holds as JSON.
func (s *Shapes) Parse(text []byte) (*Shape, error) {
	if have := s.byJSON[string(text)]; have != nil {
		return have, nil
	}
	var p message.Plan
	if err := json.Unmarshal(text, &p); err != nil {
		return nil, err
	}
	return s.intern(append([]byte(nil), text...), &p), nil
}

func (s *Shapes) intern(text []byte, p *message.Plan) *Shape {
	if have := s.byJSON[string(text)]; have != nil {
		return have
	}
	if s.byJSON == nil || len(s.byJSON) >= mostShapes {
		s.byJSON, s.byName = map[string]*Shape{}, map[[2]string]*Shape{}
	}
	made := &Shape{Plan: p, JSON: text}
	s.byJSON[string(text)] = made
	return made
}

// same reports whether two plans of the same route and revision have the same shape.
func same(a, b *message.Plan) bool {
	if a.Expires != b.Expires || a.Strict != b.Strict || len(a.Steps) != len(b.Steps) {
		return false
	}
	for i := range a.Steps {
		x, y := &a.Steps[i], &b.Steps[i]
		if x.Account != y.Account || x.Channel != y.Channel || x.When != y.When || x.Until != y.Until ||
			x.Within != y.Within || x.Unknown != y.Unknown || x.Retries != y.Retries || len(x.Transforms) != len(y.Transforms) {
			return false
		}
		if len(x.Transforms) > 0 && !reflect.DeepEqual(x.Transforms, y.Transforms) {
			return false
		}
	}
	return true
}
