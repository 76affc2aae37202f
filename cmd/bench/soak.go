package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"time"

	"github.com/nonudify/nonudify/cmd/bench/internal/corpus"
	"github.com/nonudify/nonudify/cmd/bench/internal/load"
	"github.com/nonudify/nonudify/cmd/bench/internal/server"
	"github.com/nonudify/nonudify/plugin/list"
)

const aboutSoak = `Has the resolver answer four fifths of what it can, of listed names, cached ones and
others, while its list is replaced and its Corefile reloaded again and again. No query
may be lost, none answered wrongly, over TCP neither, and what it holds may not grow.`

// soak is load for a long time with everything that happens to a resolver meanwhile.
func soak(ctx context.Context, args []string, e env) (int, error) {
	fs, s := flag.NewFlagSet("bench soak", flag.ContinueOnError), &soaking{trial: trial{env: e}}
	s.flags(fs)
	total := fs.Duration("time", 30*time.Minute, "how long it lasts")
	fs.DurationVar(&s.swap, "swap", 10*time.Second, "time between two editions of the list")
	fs.DurationVar(&s.reload, "reload", time.Minute, "time between two reloads")
	fs.Float64Var(&s.share, "share", 0.8, "part of what the resolver can answer that it is asked")
	if err := parse(fs, args, e, aboutSoak); err != nil {
		return wrong, err
	}
	s.rounds = int(math.Ceil(float64(*total) / float64(s.reload)))
	if s.rounds < 3 || s.swap <= 0 || s.swap >= s.reload || s.share <= 0 || s.share > 1 {
		return wrong, errors.New("want time for three reloads at least, and swaps between them, and a share of 1 at most")
	}
	return s.carryOut(ctx, s.run)
}

// soaking is a soak under way.
type soaking struct {
	trial
	swap, reload time.Duration
	share        float64
	rounds       int
	edition      int
	reloads      int
	resets       int // connections
	sum          load.Result
	points       []checkpoint // after each round, when nothing is under way
}

func (s *soaking) run(ctx context.Context) error {
	rate := s.share * s.capacity
	s.say("It can answer %.0f queries a second of this kind; for %v it is asked %.0f a second.", s.capacity, time.Duration(s.rounds)*s.reload, rate)
	for range s.rounds {
		if err := s.round(ctx, rate); err != nil {
			return err
		}
	}
	s.judge()
	return nil
}

// round asks until the next reload is over, replaces lists meanwhile, and looks at what
// is left when all answers are there.
func (s *soaking) round(ctx context.Context, rate float64) error {
	asking, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- s.ask(asking, rate) }()
	err := s.happenings(ctx)
	if err != nil {
		stop()
	}
	if e := <-done; err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	point, err := s.checkpoint(ctx)
	s.points = append(s.points, point)
	s.say("%d editions, %d reloads: %d queries, %d wrong, %d lost; %d goroutines, %.1f MB resident",
		s.edition, s.reloads, s.sum.Sent, s.sum.Wrong, s.sum.Lost, point.goroutines, float64(point.resident)/1e6)
	return err
}

// ask is the load of one round.
func (s *soaking) ask(ctx context.Context, rate float64) error {
	result, err := load.Run(ctx, load.Config{
		Addr: s.addr, Queries: s.mix, First: s.sum.Sent, Number: s.asked, Time: s.reload, Rate: rate, Patience: lostAfter,
	})
	if result != nil {
		s.sum.Add(result)
		s.asked += uint32(result.Sent)
	}
	return err
}

// lostAfter is when a query that has no answer is lost: long after any pause of a
// machine.
const lostAfter = 10 * time.Second

// happenings are those of one round: editions of the list, and one reload in the middle.
func (s *soaking) happenings(ctx context.Context) error {
	end := time.Now().Add(s.reload)
	middle := time.Now().Add(s.reload / 2)
	reloaded := false
	for at := time.Now().Add(s.swap / 2); at.Before(end); at = at.Add(s.swap) {
		if !reloaded && at.After(middle) {
			reloaded = true
			if err := s.reloadCorefile(ctx); err != nil {
				return err
			}
		}
		if err := sleep(ctx, time.Until(at)); err != nil {
			return err
		}
		if err := s.replaceList(ctx); err != nil {
			return err
		}
	}
	if !reloaded {
		return s.reloadCorefile(ctx)
	}
	return nil
}

// replaceList puts the next edition in the place of the list and waits until it is in
// force.
func (s *soaking) replaceList(ctx context.Context) error {
	s.edition++
	before := s.names.Also
	s.names.Also = fmt.Sprintf("edition%d.example", s.edition)
	if err := s.names.Replace(list.ToDomains, s.settings.List); err != nil {
		return err
	}
	if err := s.until(ctx, s.names.Also, true); err != nil {
		return fmt.Errorf("edition %d is not in force: %w", s.edition, err)
	}
	if err := s.until(ctx, before, false); err != nil {
		return fmt.Errorf("edition %d is still in force: %w", s.edition-1, err)
	}
	return nil
}

// reloadCorefile changes the Corefile, has it read again, and waits until it is in force.
func (s *soaking) reloadCorefile(ctx context.Context) error {
	s.reloads++
	name := fmt.Sprintf("reload%d.example", s.reloads)
	s.settings.Directive = "block " + name
	if _, err := s.candidate.Command(s.candidate.program, s.settings); err != nil {
		return err
	}
	if err := s.process.Signal(server.Reload); err != nil {
		return err
	}
	if err := s.until(ctx, name, true); err != nil {
		return fmt.Errorf("reload %d is not in force: %w", s.reloads, err)
	}
	return nil
}

// until asks for a name, over TCP, until it is blocked, or passes again.
func (s *soaking) until(ctx context.Context, name string, blocked bool) error {
	q, err := load.NewQuery(name, blocked)
	if err != nil {
		return err
	}
	again := false
	for deadline := time.Now().Add(time.Minute); ; {
		err := load.Ask(ctx, "tcp", s.addr, q, lostAfter)
		if err == nil {
			return nil
		}
		// A connection that waits to be accepted when a reload closes the listener is
		// reset by the kernel, and whoever made it tries again.
		if load.Unanswered(err) && !again {
			s.resets++
			again = true
			continue
		}
		if load.Unanswered(err) || time.Now().After(deadline) {
			return err
		}
		again = false
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

// grown is how much more memory may be resident in the second half than in the first, by
// part and in bytes.
const (
	grownPart  = 1.15
	grownBytes = 8 << 20
	grownCount = 4 // goroutines
)

// judge says what is wrong with all that was seen.
func (s *soaking) judge() {
	if s.sum.Wrong > 0 {
		s.fault("%d answers are wrong: %v", s.sum.Wrong, s.sum.Samples)
	}
	if s.sum.Lost > 0 {
		s.fault("%d of %d queries are lost", s.sum.Lost, s.sum.Sent)
	}
	early, late := most(s.points[:(len(s.points)+1)/2]), most(s.points[len(s.points)/2:])
	if late.goroutines > early.goroutines+grownCount {
		s.fault("goroutines leak: %d in the first half, %d in the second", early.goroutines, late.goroutines)
	}
	if float64(late.resident) > float64(early.resident)*grownPart+grownBytes {
		s.fault("memory grows: %.1f MB in the first half, %.1f MB in the second", float64(early.resident)/1e6, float64(late.resident)/1e6)
	}
	fmt.Fprintf(s.stdout, "%d queries, %.0f a second, %d editions of %d names, %d reloads, which reset %d connections: %d wrong, %d lost; half answered in %v, 99 of 100 in %v\n",
		s.sum.Sent, float64(s.sum.Sent)/max(s.sum.Elapsed.Seconds(), 1e-9), s.edition, s.names.Size, s.reloads, s.resets, s.sum.Wrong, s.sum.Lost, s.sum.Latency.Quantile(0.5), s.sum.Latency.Quantile(0.99))
	fmt.Fprintf(s.stdout, "%.1f MB resident in the first half, %.1f MB in the second; %d and %d goroutines\n",
		float64(early.resident)/1e6, float64(late.resident)/1e6, early.goroutines, late.goroutines)
}

// most returns the most of each that any of the checkpoints has.
func most(points []checkpoint) (top checkpoint) {
	for _, p := range points {
		top.goroutines, top.resident = max(top.goroutines, p.goroutines), max(top.resident, p.resident)
	}
	return top
}

// sleep waits, unless the context is done before.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// mixOf returns questions of all kinds: 3 of 10 are blocked, one of 20 is for a name that
// nobody has asked for before.
func mixOf(size int) ([]load.Query, error) {
	all, err := queries(corpus.Draw(size, drawn, 30))
	if err != nil {
		return nil, err
	}
	unique, err := misses()
	if err != nil {
		return nil, err
	}
	for i := 0; i < len(all); i += 20 {
		all[i] = unique[i/20%len(unique)]
	}
	return all, nil
}
