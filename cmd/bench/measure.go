package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/nonudify/nonudify/cmd/bench/internal/corpus"
	"github.com/nonudify/nonudify/cmd/bench/internal/load"
	"github.com/nonudify/nonudify/cmd/bench/internal/report"
	"github.com/nonudify/nonudify/cmd/bench/internal/server"
)

// measure is what the program does without a verb.
func measure(ctx context.Context, args []string, e env) (int, error) {
	o, err := parseOptions(args, e)
	if err != nil {
		return wrong, err
	}
	r := &report.Report{Command: "bench " + strings.Join(args, " "), Time: time.Now().UTC()}
	if o.from != "" {
		err = read(o.from, r)
	} else {
		err = o.measure(ctx, e, r)
	}
	if err != nil {
		return wrong, err
	}
	if err := o.publish(e, r); err != nil {
		return wrong, err
	}
	if bad, lost := r.Faults(); bad+lost > 0 {
		return finding, nil
	}
	return fine, nil
}

func read(path string, r *report.Report) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, r); err != nil {
		return fmt.Errorf("%s: not what -json prints: %w", path, err)
	}
	return nil
}

// bench is a measurement under way.
type bench struct {
	*options
	env
	*ground
	report *report.Report
	limit  report.Cell
}

// measure fills a report.
func (o *options) measure(ctx context.Context, e env, r *report.Report) error {
	g, err := newGround(&o.cores, e)
	if err != nil {
		return err
	}
	defer g.clear()
	b := &bench{options: o, env: e, ground: g, report: r}
	r.Machine = machine()
	r.Machine.ServerCore, r.Machine.LoadCore = o.cores.server, o.cores.load
	r.Settings = report.Settings{Rounds: o.rounds, Seconds: o.time.Seconds(), Window: o.window, Rate: o.rate}
	present := b.find(ctx)
	if len(present) == 0 {
		return fmt.Errorf("there is nothing to measure")
	}
	b.foretell(len(present))
	for i, size := range o.sizes {
		if err := b.size(ctx, size, i, present); err != nil {
			return err
		}
	}
	if len(b.limit.CPU) > 0 {
		r.Limit = &b.limit
	}
	return nil
}

// found is a candidate that is here.
type found struct {
	server.Candidate
	program string
}

// find looks for the candidates and says which are missing.
func (b *bench) find(ctx context.Context) (present []found) {
	for _, c := range b.candidates {
		entry := report.Candidate{Name: c.Name, Title: c.Title}
		program, err := c.Find(b.resolver)
		if err != nil {
			entry.Absent = err.Error()
			b.say("%s: not measured: %v", c.Name, err)
		} else {
			entry.Version = c.Version(ctx, program)
			present = append(present, found{c, program})
		}
		b.report.Candidates = append(b.report.Candidates, entry)
	}
	return present
}

// absent notes that a candidate that is here cannot be measured.
func (b *bench) absent(name string, why error) {
	i := slices.IndexFunc(b.report.Candidates, func(c report.Candidate) bool { return c.Name == name })
	b.say("%s: not measured: %v", name, why)
	lines := strings.Split(why.Error(), "\n") // what a server says last is why it ended
	text := lines[len(lines)-1]
	b.report.Candidates[i].Absent = text[:min(len(text), 300)]
}

func (b *bench) gone(name string) bool {
	i := slices.IndexFunc(b.report.Candidates, func(c report.Candidate) bool { return c.Name == name })
	return b.report.Candidates[i].Absent != ""
}

// foretell says what is going to happen and how long it takes about.
func (b *bench) foretell(servers int) {
	each := time.Duration(len(b.workloads))*(b.time+20*time.Millisecond) + time.Second
	total := time.Duration(servers*len(b.sizes)*b.rounds) * each
	for _, size := range b.sizes { // to write the lists, and to start with them
		total += time.Duration(servers*(b.rounds+1)*size) * time.Microsecond
	}
	b.say("Servers: %d. Names in the list: %v. Workloads: %s, %v each. Rounds: %d. That takes about %v.",
		servers, b.sizes, strings.Join(b.workloads, ", "), b.time, b.rounds, total.Round(10*time.Second)+10*time.Second)
	b.say("The server runs on core %d, load and upstream on core %d. Whatever else the machine does now shows in the figures.", b.cores.server, b.cores.load)
}

// size measures all candidates with a list of a size, round by round.
func (b *bench) size(ctx context.Context, size, nth int, present []found) error {
	dir, err := os.MkdirTemp(b.dir, "list")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	q, err := newQuestions(size)
	if err != nil {
		return err
	}
	names := &corpus.List{Dir: dir, Size: size}
	for round := range b.rounds {
		if err := b.ceiling(ctx, q); err != nil {
			return err
		}
		for _, c := range present {
			if b.gone(c.Name) || !c.Filters() && nth > 0 || b.tooSlow(c, size) {
				continue
			}
			b.say("%d names, round %d of %d: %s", size, round+1, b.rounds, c.Name)
			if err := b.candidate(ctx, c, names, q); err != nil {
				return err
			}
		}
	}
	return nil
}

// tooSlow reports whether a candidate is left out because with a list of the size
// before it took so long to start that with this one it would take too long.
func (b *bench) tooSlow(c found, size int) bool {
	row := b.report.Row(c.Name, b.listed(c, size))
	if row.Skipped != "" {
		return true
	}
	for _, before := range slices.Backward(b.report.Rows) {
		if before.Candidate != c.Name || before.Size >= size || !c.Filters() {
			continue
		}
		guess := before.Start.Median() * float64(size) / float64(before.Size)
		if before.Skipped != "" || before.Start.Median() > 1 && guess > b.start.Seconds() {
			row.Skipped = fmt.Sprintf("left out, as it would take more than %v", b.start)
			b.say("%s with %d names: %s to start", c.Name, size, row.Skipped)
			return true
		}
		break
	}
	return false
}

// listed is the size by which a candidate's row is known.
func (b *bench) listed(c found, size int) int {
	if !c.Filters() {
		return 0
	}
	return size
}

// ceiling measures a server that does nothing but answer.
func (b *bench) ceiling(ctx context.Context, q *questions) error {
	p, addr, err := b.responder(ctx, q)
	if err != nil {
		return fmt.Errorf("the limit of the measuring: %w", err)
	}
	defer p.Stop()
	return b.load(ctx, p, &b.limit, load.Config{Addr: addr, Queries: q.cached, Time: b.time, Window: b.window})
}

// candidate measures one server once. An error ends the whole: what is wrong with the
// server is noted in the report.
func (b *bench) candidate(ctx context.Context, c found, names *corpus.List, q *questions) error {
	row := b.report.Row(c.Name, b.listed(c, names.Size))
	p, settings, err := b.launch(c, names, "")
	if err != nil {
		return err
	}
	defer p.Stop()
	addr := settings.Addr
	q = q.of(c.Candidate)
	took, err := ready(ctx, p, addr, q, 2*max(b.start, 10*time.Second))
	if err != nil {
		if ctx.Err() == nil {
			b.absent(c.Name, err)
		}
		return ctx.Err()
	}
	row.Start = append(row.Start, took.Seconds())
	if err := resident(p, &row.Rest); err != nil {
		return err
	}
	if err := b.workload(ctx, p, row, addr, q); err != nil {
		if ctx.Err() == nil {
			b.absent(c.Name, err)
		}
		return ctx.Err()
	}
	return resident(p, &row.Loaded)
}

func resident(p *server.Process, s *report.Sample) error {
	n, err := p.RSS()
	if err == nil {
		*s = append(*s, float64(n))
	}
	return err
}

// workload asks a server everything, one workload after the other.
func (b *bench) workload(ctx context.Context, p *server.Process, row *report.Row, addr serverAddr, q *questions) error {
	for _, name := range b.workloads {
		c := load.Config{Addr: addr, Time: b.time, Window: b.window, Queries: q.cached}
		switch name {
		case "blocked":
			c.Queries = q.blocked
		case "99:1":
			c.Queries = q.mixed
		case "miss":
			c.Queries, c.Number = q.miss, b.asked
		case report.Steady:
			c.Queries, c.Rate, c.Window = q.mixed, b.rate, max(1024, b.window)
		}
		if len(c.Queries) == 0 { // it has no list
			continue
		}
		if err := b.load(ctx, p, row.Cell(name), c); err != nil {
			return err
		}
	}
	return nil
}

// load asks once and books what came of it.
func (b *bench) load(ctx context.Context, p *server.Process, cell *report.Cell, c load.Config) error {
	c.Patience = b.patience
	before, err := p.CPU()
	if err != nil {
		return err
	}
	result, err := load.Run(ctx, c)
	if err != nil {
		return err
	}
	after, err := p.CPU()
	if err != nil {
		return err
	}
	b.asked += uint32(result.Sent)
	cell.Right, cell.Wrong, cell.Lost = cell.Right+result.Right, cell.Wrong+result.Wrong, cell.Lost+result.Lost
	cell.Samples = append(cell.Samples, result.Samples[:min(len(result.Samples), max(0, 3-len(cell.Samples)))]...)
	if answers := result.Right + result.Wrong; answers > 0 {
		cell.CPU = append(cell.CPU, micro(after-before)/float64(answers))
	}
	cell.QPS = append(cell.QPS, result.PerSecond())
	cell.P50 = append(cell.P50, micro(result.Latency.Quantile(0.50)))
	cell.P99 = append(cell.P99, micro(result.Latency.Quantile(0.99)))
	return nil
}

// micro returns microseconds.
func micro(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
