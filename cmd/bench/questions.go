package main

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/nonudify/nonudify/cmd/bench/internal/corpus"
	"github.com/nonudify/nonudify/cmd/bench/internal/load"
	"github.com/nonudify/nonudify/cmd/bench/internal/server"
)

// questions are what a server with a list of a size is asked.
type questions struct {
	probes  []load.Query // before anything is measured
	blocked []load.Query
	cached  []load.Query
	mixed   []load.Query
	miss    []load.Query
	popular []load.Query // each of the names that are asked for again and again, once
}

const (
	probed = 200     // names of each kind
	drawn  = 100_000 // questions, which are then asked again from the first
)

func newQuestions(size int) (*questions, error) {
	q := &questions{}
	var err error
	for _, part := range []struct {
		to   *[]load.Query
		from iter.Seq[corpus.Question]
	}{
		{&q.probes, corpus.Probes(size, probed)},
		{&q.blocked, corpus.Draw(size, drawn, 100)},
		{&q.cached, corpus.Draw(size, drawn, 0)},
		{&q.mixed, corpus.Draw(size, drawn, 1)},
		{&q.popular, corpus.Popular()},
	} {
		if *part.to, err = queries(part.from); err != nil {
			return nil, err
		}
	}
	q.miss, err = misses()
	return q, err
}

func queries(from iter.Seq[corpus.Question]) (out []load.Query, err error) {
	for question := range from {
		q, err := load.NewQuery(question.Name, question.Blocked)
		if err != nil {
			return nil, err
		}
		out = append(out, q)
	}
	return out, nil
}

func misses() (out []load.Query, err error) {
	for q := range corpus.Popular() {
		u, err := load.NewUnique(q.Name)
		if err != nil {
			return nil, err
		}
		out = append(out, u)
	}
	return out, nil
}

// of returns what the candidate is asked: one without a list has to let all pass.
func (q *questions) of(c server.Candidate) *questions {
	if c.Filters() {
		return q
	}
	return &questions{probes: q.popular[:probed], cached: q.cached, mixed: q.cached, miss: q.miss, popular: q.popular}
}

// patience is how long a server that is only probed may take.
const patience = 5 * time.Second

// ready waits until a server has its list, fills its cache, and returns how long after
// its start it gave the first right answer. One that lets listed names pass after that,
// as BIND does until it has gone through its policy zone, is asked again until all of
// its answers are right, and only then has started.
func ready(ctx context.Context, p *server.Process, addr serverAddr, q *questions, most time.Duration) (time.Duration, error) {
	took, err := p.Await(ctx, addr, q.probes[0], most)
	if err != nil {
		return 0, err
	}
	for err = probe(ctx, addr, q.probes); err != nil; err = probe(ctx, addr, q.probes) {
		if took = p.Age(); took > most || ctx.Err() != nil || p.Alive() != nil {
			return 0, err
		}
	}
	return took, probe(ctx, addr, q.popular)
}

// probe asks a server some questions, each once.
func probe(ctx context.Context, addr serverAddr, questions []load.Query) error {
	result, err := load.Run(ctx, load.Config{Addr: addr, Queries: questions, Count: len(questions), Window: 16, Patience: patience})
	if err != nil {
		return err
	}
	if n := len(questions); result.Right != n {
		return fmt.Errorf("of %d answers %d are right, %d wrong, %d missing: %s", n, result.Right, result.Wrong, result.Lost, strings.Join(result.Samples, "; "))
	}
	return nil
}
