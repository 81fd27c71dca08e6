package command

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/ntpc-smart-community/lobby/gateway"
	"github.com/ntpc-smart-community/lobby/gateway/config"
	"github.com/ntpc-smart-community/lobby/gateway/timing"
)

func gatewayCheck(file *string) *cobra.Command {
	var offline, asJSON bool
	c := &cobra.Command{
		Use:   "check [FILE]",
		Short: "Check a configuration: one line for each fault, with its place and what to do; and what its lines can do",
		Long: "Check a configuration: one line for each fault, with its place and what to do.\n" +
			"The ports are opened too, so stop a running gateway first, or leave them out with --offline.\n" +
			"Exit code 2 when anything is wrong.\n\n" +
			"Of a good one it prints what the lines can do: how much of their time the polls need, how long\n" +
			"an opening waits at worst, and how often each device is read. Warnings change no exit code.",
		Example: "  lobby-gateway check gateway.yaml\n  lobby-gateway check --offline gateway.yaml\n  lobby-gateway check --offline --json gateway.yaml",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				*file = args[0]
			}
			found, err := checked(*file, offline)
			if err != nil {
				return badInput{err}
			}
			for _, f := range found.faults {
				fmt.Fprintln(c.ErrOrStderr(), f)
			}
			for _, w := range found.warnings {
				fmt.Fprintln(c.ErrOrStderr(), "warning:", w)
			}
			switch {
			case asJSON:
				err = found.json(c.OutOrStdout())
			case len(found.faults) == 0:
				err = found.print(c.OutOrStdout())
			}
			if err == nil && len(found.faults) > 0 {
				err = badInput{errSaid}
			}
			return err
		},
	}
	c.Flags().BoolVar(&offline, "offline", false, "do not open the ports")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON instead of tables")
	return c
}

// findings are what a check found.
type findings struct {
	file             string
	config           config.Config
	faults, warnings []config.Fault
	lines            []timing.Line
}

func checked(file string, offline bool) (f findings, err error) {
	f.file = file
	if f.config, f.faults, err = config.Load(file); err != nil {
		return f, err
	}
	f.warnings = f.config.Warnings()
	if !offline {
		f.faults = append(f.faults, gateway.CheckPorts(f.config)...)
	}
	if f.lines, err = gateway.Timing(f.config); err != nil {
		return f, err
	}
	for _, l := range f.lines {
		for _, a := range l.Alarms {
			f.warnings = append(f.warnings, f.config.LineFault(l.Name, "baud", a.What, a.Remedy))
		}
	}
	return f, nil
}

func (f findings) print(w io.Writer) error {
	fmt.Fprintf(w, "%s: %d lines, %d banks, %d meters, %d doors: good\n",
		f.file, len(f.config.Lines), len(f.config.Lockers), len(f.config.Meters), len(f.config.Doors))
	if len(f.lines) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "LINE\tPOLLS NEED\tAN OPENING OF\tWAITS AT MOST\tIF ANOTHER FALLS SILENT")
	for _, l := range f.lines {
		device, answering, silent := "-", "-", "-"
		if l.Open != nil {
			device, answering, silent = l.Open.Device, inMS(l.Open.Answering), inMS(l.Open.Silent)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", l.Name, percent(l.Use), device, answering, silent)
	}
	fmt.Fprintln(t, "\nLINE\tDEVICES\tEACH TAKES\tIS TO BE READ EVERY\tIS READ EVERY")
	for _, l := range f.lines {
		for _, g := range groups(l.Devices) {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", l.Name, g.name(), inMS(g.first.Takes), g.first.Every, g.first.Holds.Round(time.Millisecond))
		}
	}
	return t.Flush()
}

// group is a run of devices of one kind that take and are read alike: a line of meters is one row.
type group struct {
	first timing.Poll
	last  string
	n     int
}

func groups(devices []timing.Poll) (all []group) {
	for _, d := range devices {
		if n := len(all); n > 0 && all[n-1].alike(d) {
			all[n-1].last = d.Device
			all[n-1].n++
			continue
		}
		all = append(all, group{d, d.Device, 1})
	}
	return all
}

func (g group) alike(d timing.Poll) bool {
	kind, _, _ := strings.Cut(g.first.Device, "/")
	return strings.HasPrefix(d.Device, kind+"/") && d.Takes == g.first.Takes && d.Every == g.first.Every
}

func (g group) name() string {
	if g.n == 1 {
		return g.first.Device
	}
	return fmt.Sprintf("%s … %s (%d)", g.first.Device, g.last, g.n)
}

func inMS(d time.Duration) string {
	return fmt.Sprintf("%d ms", d.Round(time.Millisecond).Milliseconds())
}

func percent(share float64) string {
	if share >= 0.1 {
		return fmt.Sprintf("%.0f %%", 100*share)
	}
	return fmt.Sprintf("%.2g %%", 100*share)
}

// lineJSON is a line as --json has it; times are in nanoseconds.
type lineJSON struct {
	Name    string     `json:"name"`
	Use     float64    `json:"use"` // share of the line's time that the polls need
	Open    *openJSON  `json:"opening,omitempty"`
	Devices []pollJSON `json:"devices"`
}

type openJSON struct {
	Device    string        `json:"device"`
	Answering time.Duration `json:"wait_ns"`
	Silent    time.Duration `json:"wait_if_another_falls_silent_ns"`
}

type pollJSON struct {
	Device string        `json:"device"`
	Takes  time.Duration `json:"takes_ns"`
	Every  time.Duration `json:"wanted_every_ns"`
	Holds  time.Duration `json:"every_ns"`
}

func (f findings) json(w io.Writer) error {
	out := struct {
		File     string     `json:"file"`
		Faults   []string   `json:"faults"`
		Warnings []string   `json:"warnings"`
		Lines    []lineJSON `json:"lines"`
	}{f.file, texts(f.faults), texts(f.warnings), []lineJSON{}}
	for _, l := range f.lines {
		line := lineJSON{Name: l.Name, Use: l.Use, Devices: []pollJSON{}}
		if l.Open != nil {
			line.Open = &openJSON{l.Open.Device, l.Open.Answering, l.Open.Silent}
		}
		for _, d := range l.Devices {
			line.Devices = append(line.Devices, pollJSON(d))
		}
		out.Lines = append(out.Lines, line)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(out)
}

func texts(faults []config.Fault) []string {
	all := []string{}
	for _, f := range faults {
		all = append(all, f.Error())
	}
	return all
}
