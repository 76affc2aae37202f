package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nonudify/nonudify/cmd/bench/internal/corpus"
	"github.com/nonudify/nonudify/cmd/bench/internal/load"
	"github.com/nonudify/nonudify/cmd/bench/internal/server"
)

// trial is this project's resolver under a load that it has to stand.
type trial struct {
	env
	*ground
	resolver string
	front    bool
	size     count
	cores    cores

	candidate found
	settings  server.Settings
	names     *corpus.List
	process   *server.Process
	addr      serverAddr
	metrics   string // address
	mix       []load.Query
	capacity  float64 // right answers a second of the mix
	faults    int
}

// flags are those of all trials.
func (t *trial) flags(fs *flag.FlagSet) {
	t.size = 100_000
	fs.StringVar(&t.resolver, "coredns", "bin/coredns", "the resolver of this project")
	fs.BoolVar(&t.front, "front", false, "with front on")
	fs.Var(&t.size, "size", "names in the list")
	fs.Var(&t.cores, "cores", "core of the server and core of the load, such as 0,1; the first and the last if not given")
}

// fault notes that something is not as it has to be.
func (t *trial) fault(format string, args ...any) {
	t.faults++
	t.say("bench: "+format, args...)
}

// carryOut starts the resolver, measures what it can answer, has something done with it
// and stops it.
func (t *trial) carryOut(ctx context.Context, do func(context.Context) error) (int, error) {
	if t.size < smallest || t.size > corpus.Most {
		return wrong, fmt.Errorf("a list of %d names: want %d to %d", t.size, smallest, corpus.Most)
	}
	var err error
	if t.ground, err = newGround(&t.cores, t.env); err != nil {
		return wrong, err
	}
	defer t.clear()
	if err := t.start(ctx); err != nil {
		return wrong, err
	}
	defer t.process.Stop()
	if err := t.measure(ctx); err != nil {
		return wrong, err
	}
	if err := do(ctx); err != nil {
		if ctx.Err() != nil {
			return wrong, err
		}
		t.fault("%v", err)
	}
	if err := t.process.Alive(); err != nil {
		t.fault("%v", err)
	}
	if t.faults > 0 {
		return finding, nil
	}
	return fine, nil
}

// start starts the resolver with its metrics on.
func (t *trial) start(ctx context.Context) error {
	name := "nonudify"
	if t.front {
		name = "nonudify-front"
	}
	i := slices.IndexFunc(server.Candidates, func(c server.Candidate) bool { return c.Name == name })
	t.candidate.Candidate = server.Candidates[i]
	var err error
	if t.candidate.program, err = t.candidate.Find(t.resolver); err != nil {
		return err
	}
	metrics, err := freePort()
	if err != nil {
		return err
	}
	t.metrics = metrics.String()
	dir, err := os.MkdirTemp(t.dir, "list")
	if err != nil {
		return err
	}
	t.names = &corpus.List{Dir: dir, Size: int(t.size), Also: "edition0.example"}
	t.process, t.settings, err = t.launch(t.candidate, t.names, "prometheus "+t.metrics)
	t.addr = t.settings.Addr
	return err
}

// measure finds out what the resolver can answer.
func (t *trial) measure(ctx context.Context) error {
	q, err := newQuestions(int(t.size))
	if err == nil {
		t.mix, err = mixOf(int(t.size))
	}
	if err == nil {
		_, err = ready(ctx, t.process, t.addr, q, time.Minute)
	}
	if err != nil {
		t.process.Stop()
		return err
	}
	result, err := load.Run(ctx, load.Config{Addr: t.addr, Queries: t.mix, Time: 2 * time.Second, Patience: lostAfter})
	if err != nil {
		t.process.Stop()
		return err
	}
	t.asked, t.capacity = uint32(result.Sent), result.PerSecond()
	if result.Wrong+result.Lost > 0 {
		t.fault("while it was measured %d answers are wrong and %d queries lost: %v", result.Wrong, result.Lost, result.Samples)
	}
	return nil
}

// checkpoint is what the resolver holds.
type checkpoint struct {
	goroutines int
	resident   int64 // bytes
}

// settling is how often a checkpoint is taken until two are alike.
const settling = 50

// checkpoint returns what the resolver holds when it has nothing to do: once as many
// goroutines are there twice in a row, or the least of many looks.
func (t *trial) checkpoint(ctx context.Context) (last checkpoint, err error) {
	for i := range settling {
		point, err := t.look(ctx)
		if err != nil {
			return point, err
		}
		if i > 0 && point.goroutines >= last.goroutines {
			return last, nil
		}
		last = point
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return last, err
		}
	}
	return last, nil
}

func (t *trial) look(ctx context.Context) (p checkpoint, err error) {
	values, err := scrape(ctx, t.metrics)
	if err != nil {
		return p, err
	}
	p.goroutines = int(values["go_goroutines"])
	p.resident, err = t.process.RSS()
	return p, err
}

// most bytes of metrics that are read.
const mostMetrics = 4 << 20

// scrape returns the metrics that have no labels.
func scrape(ctx context.Context, address string) (map[string]float64, error) {
	ctx, cancel := context.WithTimeout(ctx, lostAfter)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("the metrics: %w", err)
	}
	defer response.Body.Close()
	values := map[string]float64{}
	lines := bufio.NewScanner(io.LimitReader(response.Body, mostMetrics))
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if number, err := strconv.ParseFloat(value, 64); err == nil {
			values[name] = number
		}
	}
	if _, ok := values["go_goroutines"]; !ok {
		return nil, fmt.Errorf("the metrics do not tell the goroutines (%s)", response.Status)
	}
	return values, lines.Err()
}
