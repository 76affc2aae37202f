package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/nonudify/nonudify/cmd/bench/internal/corpus"
	"github.com/nonudify/nonudify/cmd/bench/internal/load"
)

const aboutOverload = `Sends the resolver several times as many queries over UDP as it can answer. It has to
stay up, hold no more memory than it may, answer over TCP all the while, answer nothing
wrongly, and be as good as before when it is over.`

// overload is more load than the resolver can take.
func overload(ctx context.Context, args []string, e env) (int, error) {
	fs, o := flag.NewFlagSet("bench overload", flag.ContinueOnError), &overloading{trial: trial{env: e}}
	o.flags(fs)
	fs.DurationVar(&o.time, "time", 10*time.Second, "how long it lasts")
	fs.Float64Var(&o.times, "times", 3, "how many times what the resolver can answer it is sent")
	fs.Int64Var(&o.memory, "memory", 256, "most that may be resident, in MB")
	if err := parse(fs, args, e, aboutOverload); err != nil {
		return wrong, err
	}
	if o.time < time.Second || o.times <= 1 || o.times > 100 || o.memory < 1 {
		return wrong, errors.New("want a second at least, and more than the resolver can answer, but no more than 100 times that")
	}
	return o.carryOut(ctx, o.run)
}

// overloading is an overload under way.
type overloading struct {
	trial
	time   time.Duration
	times  float64
	memory int64

	sent    int           // queries of the flood
	took    time.Duration // to send them
	overTCP int           // queries
	slowest time.Duration
	peak    int64 // resident, bytes
}

// given is how long a query counts as under way: not long, as most are never answered.
const given = 100 * time.Millisecond

// sample is how many queries a second are looked at. The others are the flood.
const sample = 1000

func (o *overloading) run(ctx context.Context) error {
	o.say("It can answer %.0f queries a second of this kind; for %v it is sent %.0f a second.", o.capacity, o.time, o.times*o.capacity)
	flooding, stop := context.WithCancel(ctx)
	defer stop()
	var group errgroup.Group
	var seen *load.Result
	group.Go(func() (err error) {
		o.sent, o.took, err = load.Flood(flooding, load.Config{Addr: o.addr, Queries: o.mix, Number: 1 << 31, Time: o.time, Rate: o.times * o.capacity, Sockets: 8})
		return err
	})
	group.Go(func() (err error) {
		seen, err = load.Run(flooding, load.Config{Addr: o.addr, Queries: o.mix, Number: o.asked, Time: o.time, Rate: sample, Patience: given})
		return err
	})
	err := o.watch(ctx)
	stop()
	flood := group.Wait()
	if errors.Is(flood, context.Canceled) && ctx.Err() == nil {
		flood = nil // it was over anyway
	}
	if err = errors.Join(err, flood); err != nil {
		return err
	}
	o.judge(seen)
	return o.after(ctx)
}

// watch asks over TCP and looks at the memory until it is over.
func (o *overloading) watch(ctx context.Context) error {
	for i, end := 0, time.Now().Add(o.time); time.Now().Before(end); i++ {
		q, err := load.NewQuery(corpus.Listed(i%int(o.size)), true)
		if err != nil {
			return err
		}
		began := time.Now()
		err = load.Ask(ctx, "tcp", o.addr, q, lostAfter)
		o.overTCP++
		o.slowest = max(o.slowest, time.Since(began))
		if err != nil && ctx.Err() == nil {
			o.fault("over TCP: %v", err)
		}
		n, err := o.process.RSS()
		if err != nil {
			return err
		}
		o.peak = max(o.peak, n)
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

func (o *overloading) judge(seen *load.Result) {
	sent := float64(o.sent) / o.took.Seconds()
	fmt.Fprintf(o.stdout, "%.0f queries a second, %.1f times what it can answer; of %d others, %d answered within %v, %d later, %d wrongly; %d queries over TCP, the slowest %v; %.1f MB resident at most\n",
		sent, sent/o.capacity, seen.Sent, seen.Right, given, seen.Stray, seen.Wrong, o.overTCP, o.slowest.Round(time.Millisecond), float64(o.peak)/1e6)
	if seen.Wrong > 0 {
		o.fault("%d answers are wrong: %v", seen.Wrong, seen.Samples)
	}
	if seen.Right == 0 {
		o.fault("nothing is answered any more")
	}
	if o.peak > o.memory*1e6 {
		o.fault("%.1f MB are resident, more than %d", float64(o.peak)/1e6, o.memory)
	}
	if sent < 1.5*o.capacity {
		o.say("That is no overload: the load had no more to give.")
	}
}

// after asks as one does on an ordinary day.
func (o *overloading) after(ctx context.Context) error {
	q, err := newQuestions(int(o.size))
	if err != nil {
		return err
	}
	if err := probe(ctx, o.addr, q.probes); err != nil {
		return fmt.Errorf("afterwards: %w", err)
	}
	return nil
}
