package main

import (
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nonudify/nonudify/cmd/bench/internal/corpus"
	"github.com/nonudify/nonudify/cmd/bench/internal/report"
	"github.com/nonudify/nonudify/cmd/bench/internal/server"
)

// options are what the command line says of a measurement.
type options struct {
	resolver   string
	candidates []server.Candidate
	sizes      []int
	workloads  []string
	rounds     int
	time       time.Duration // of one measurement
	rate       float64
	window     int
	start      time.Duration // that a candidate may take
	patience   time.Duration // after which a query counts as lost
	cores      cores

	json     bool
	from     string // a report to print, instead of measuring
	markdown string // document into which the tables go
	svg      string // file of the plot
	plot     string // workload that it shows
}

const about = `Measures this resolver beside those that are installed: what a query costs, how
many a second there are, how long an answer takes, start and memory. Everything stays
on 127.0.0.1; nothing is installed. It takes about ten minutes, with -quick less than
one, and wants a machine that does nothing else. What the figures mean is in
docs/performance.md.`

// parseOptions reads the command line.
func parseOptions(args []string, e env) (*options, error) {
	fs, o := flag.NewFlagSet("bench", flag.ContinueOnError), &options{}
	var quick bool
	var candidates, workloads string
	sizes := "5k,500k,5M"
	fs.BoolVar(&quick, "quick", false, "one round of 300 ms, one size: less than a minute, for a look")
	fs.StringVar(&candidates, "candidates", "all", "what is measured, separated by commas: "+strings.Join(names(), ","))
	fs.StringVar(&sizes, "sizes", sizes, "names in the list, separated by commas")
	fs.StringVar(&workloads, "workloads", "all", "what is asked, separated by commas: "+strings.Join(workloadNames(), ","))
	fs.IntVar(&o.rounds, "rounds", 3, "how often each is measured")
	fs.DurationVar(&o.time, "time", 500*time.Millisecond, "how long each workload lasts")
	fs.Float64Var(&o.rate, "rate", 5000, "queries a second of the workload "+report.Steady)
	fs.IntVar(&o.window, "window", 128, "queries that are under way at a time")
	fs.DurationVar(&o.start, "start", 20*time.Second, "how long a candidate may take to start; one that is sure to take longer is left out")
	fs.DurationVar(&o.patience, "patience", 2*time.Second, "how long a query may take before it counts as lost")
	fs.StringVar(&o.resolver, "coredns", "bin/coredns", "the resolver of this project")
	fs.Var(&o.cores, "cores", "core of the server and core of the load, such as 0,1; the first and the last if not given")
	fs.BoolVar(&o.json, "json", false, "print JSON")
	fs.StringVar(&o.from, "from", "", "print the tables of a file that -json made, and measure nothing")
	fs.StringVar(&o.markdown, "markdown", "", "put the tables into a document, between the two lines that mark their place")
	fs.StringVar(&o.svg, "svg", "", "write a plot of the cost by the size of the list into a file")
	fs.StringVar(&o.plot, "plot", "blocked", "workload of the plot")
	if err := parse(fs, args, e, about); err != nil {
		return nil, err
	}
	if quick {
		o.hurry(fs, &sizes)
	}
	return o, errors.Join(o.setCandidates(candidates), o.setSizes(sizes), o.setWorkloads(workloads), o.check())
}

// hurry makes little of what the command line says nothing of.
func (o *options) hurry(fs *flag.FlagSet, sizes *string) {
	said := map[string]bool{}
	fs.Visit(func(f *flag.Flag) { said[f.Name] = true })
	if !said["sizes"] {
		*sizes = "5k"
	}
	if !said["rounds"] {
		o.rounds = 1
	}
	if !said["time"] {
		o.time = 300 * time.Millisecond
	}
}

func names() (all []string) {
	for _, c := range server.Candidates {
		all = append(all, c.Name)
	}
	return all
}

func workloadNames() (all []string) {
	for _, l := range report.Workloads {
		all = append(all, l.Name)
	}
	return all
}

func (o *options) setCandidates(text string) error {
	if text == "all" {
		o.candidates = server.Candidates
		return nil
	}
	for name := range strings.SplitSeq(text, ",") {
		i := slices.IndexFunc(server.Candidates, func(c server.Candidate) bool { return c.Name == name })
		if i < 0 {
			return fmt.Errorf("no candidate is called %q: want %s", name, strings.Join(names(), ", "))
		}
		o.candidates = append(o.candidates, server.Candidates[i])
	}
	return nil
}

// smallest list: the probes draw from it.
const smallest = 100

func (o *options) setSizes(text string) error {
	for part := range strings.SplitSeq(text, ",") {
		var n count
		if err := n.Set(part); err != nil {
			return err
		}
		if n < smallest || n > corpus.Most {
			return fmt.Errorf("a list of %d names: want %d to %d", n, smallest, corpus.Most)
		}
		o.sizes = append(o.sizes, int(n))
	}
	slices.Sort(o.sizes) // what a start takes is foretold from the size before
	o.sizes = slices.Compact(o.sizes)
	return nil
}

func (o *options) setWorkloads(text string) error {
	if text == "all" {
		o.workloads = workloadNames()
		return nil
	}
	for name := range strings.SplitSeq(text, ",") {
		if !slices.Contains(workloadNames(), name) {
			return fmt.Errorf("no workload is called %q: want %s", name, strings.Join(workloadNames(), ", "))
		}
		o.workloads = append(o.workloads, name)
	}
	return nil
}

func (o *options) check() error {
	switch {
	case o.rounds < 1 || o.rounds > 100:
		return fmt.Errorf("%d rounds: want 1 to 100", o.rounds)
	case o.time < 10*time.Millisecond || o.time > time.Hour:
		return fmt.Errorf("%v for each workload: want 10ms to 1h", o.time)
	case o.window < 8 || o.window > 4096:
		return fmt.Errorf("a window of %d: want 8 to 4096", o.window)
	case o.patience < 10*time.Millisecond || o.patience > time.Minute:
		return fmt.Errorf("a patience of %v: want 10ms to 1m", o.patience)
	case o.rate < 1 || o.rate > 1e6:
		return fmt.Errorf("a rate of %v a second: want 1 to 1000000", o.rate)
	case !slices.Contains(workloadNames(), o.plot):
		return fmt.Errorf("no workload is called %q: want %s", o.plot, strings.Join(workloadNames(), ", "))
	}
	return nil
}
