package command

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/ntpc-smart-community/lobby/drivers/modbus"
)

func gatewayProfile() *cobra.Command {
	c := &cobra.Command{
		Use:   "profile",
		Short: "Register maps of meters: list them, show one, prove one without hardware",
		Long: "A profile is the register map of one model of meter: a YAML file, with transcripts that prove it.\n" +
			"Those of a folder come beside those that ship; docs/modbus.md 6 says how to write one.",
	}
	var folder string
	c.PersistentFlags().StringVar(&folder, "profiles", "", "folder of further profiles, *.yaml, as in the configuration")
	c.AddCommand(profileTest(&folder), profileList(&folder), profileShow(&folder))
	return c
}

// named returns the profiles of names, which are files if they look so.
func named(folder string, names []string) ([]*modbus.Profile, error) {
	library, err := modbus.OpenLibrary(folder)
	if err != nil {
		return nil, badInput{err}
	}
	var all []*modbus.Profile
	var faults []error
	for _, name := range names {
		open := library.Profile
		if strings.ContainsRune(name, filepath.Separator) || strings.HasSuffix(name, ".yaml") {
			open = modbus.ReadProfile
		}
		p, err := open(name)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		all = append(all, p)
	}
	if len(faults) > 0 {
		return nil, badInput{errors.Join(faults...)}
	}
	return all, nil
}

func profileTest(folder *string) *cobra.Command {
	return &cobra.Command{
		Use:   "test FILE|NAME...",
		Short: "Read a profile's transcripts through the real driver, without hardware",
		Long: "Read a profile's transcripts through the real driver, without hardware: one line for each, ok or what differs.\n" +
			"Exit code 1 if one does not hold or there is none, 2 if a file is wrong: then each fault has its line and column.",
		Example: "  lobby-gateway profile test my-meter.yaml\n  lobby-gateway profile test g4 fuxin\n" +
			"  lobby-gateway profile test $(lobby-gateway profile list | awk 'NR > 1 {print $1}')",
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return badInput{errors.New("name a profile or its file; try: lobby-gateway profile test --help")}
			}
			profiles, err := named(*folder, args)
			if err != nil {
				return err
			}
			good := true
			for _, p := range profiles {
				proofs := p.Prove(c.Context())
				if len(proofs) == 0 {
					good = false
					fmt.Fprintf(c.OutOrStdout(), "%s: no transcripts: nothing is proven; record one, as in docs/modbus.md 6\n", p.Name)
				}
				for _, proof := range proofs {
					good = good && len(proof.Faults) == 0
					fmt.Fprintln(c.OutOrStdout(), proved(p.Name, proof))
				}
			}
			if !good {
				return errSaid
			}
			return nil
		},
	}
}

// proved says in a line what became of a transcript.
func proved(name string, p modbus.Proof) string {
	if len(p.Faults) == 0 {
		return fmt.Sprintf("%s: %s: ok", name, p.Transcript.Name)
	}
	return fmt.Sprintf("%s: %s: %s", name, p.Transcript.Name, strings.Join(p.Faults, "; "))
}

func profileList(folder *string) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the profiles that ship, and those of a folder",
		Example: "  lobby-gateway profile list\n  lobby-gateway profile list --profiles /etc/lobby/profiles",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			library, faults := modbus.OpenLibrary(*folder)
			t := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(t, "NAME\tVENDOR\tMODEL\tSTATUS\tQUANTITY\tTRANSCRIPTS")
			for _, name := range library.Names() {
				p, err := library.Profile(name)
				if err != nil {
					return err
				}
				fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%d\n", p.Name, p.Vendor, p.Model, p.Status, p.Quantity, len(p.Transcripts()))
			}
			if err := t.Flush(); err != nil {
				return err
			}
			if faults != nil { // a bad file costs itself
				return badInput{faults}
			}
			return nil
		},
	}
}

func profileShow(folder *string) *cobra.Command {
	return &cobra.Command{
		Use:   "show FILE|NAME",
		Short: "Show a profile: its registers on the wire, its requests and what they take",
		Example: "  lobby-gateway profile show g4\n  lobby-gateway profile show my-meter.yaml\n" +
			"  lobby-gateway profile show --profiles /etc/lobby/profiles my-meter",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			profiles, err := named(*folder, args)
			if err != nil {
				return err
			}
			return showProfile(c.OutOrStdout(), profiles[0])
		},
	}
}

func showProfile(w io.Writer, p *modbus.Profile) error {
	fmt.Fprintf(w, "%s: %s %s\n", p.Name, p.Vendor, p.Model)
	fmt.Fprintf(w, "%s, %s cubic metres, %d channels, %d transcripts\n", p.Status, p.Quantity, p.Channels, len(p.Transcripts()))
	if p.Wake > 0 {
		fmt.Fprintf(w, "sleeps: its first answer is waited for %v, then it is asked again\n", p.Wake)
	}
	for _, s := range p.Sources {
		fmt.Fprintln(w, "from", s)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nREGISTER\tFUNCTION\tWIRE\tMANUAL\tTYPE\tORDER\tSTEP\tMEANING")
	for _, r := range p.Registers() {
		wire, manual := fmt.Sprint(r.Wire), fmt.Sprint(r.Manual)
		if r.Site {
			wire, manual = "site", "site"
		}
		fmt.Fprintf(t, "%s\t%d\t%s\t%s\t%s\t%s\t%d\t%s\n", r.Name, r.Function, wire, manual, r.Type, r.Order, r.Step, r.Meaning)
	}
	baud := fmt.Sprintf("%d baud", p.Baud)
	if p.Baud == 0 {
		baud = "9600 baud (the profile names none)"
	}
	fmt.Fprintf(t, "\nREQUEST\tFUNCTION\tREGISTERS\tBYTES\tON THE WIRE\n")
	for i, r := range p.Requests() {
		where := fmt.Sprintf("%d to %d", r.First, r.First+r.Count-1)
		if r.Site {
			where = fmt.Sprintf("%d where the site says", r.Count)
		}
		why := ""
		if r.Explains {
			why = ", for probe --explain alone"
		}
		fmt.Fprintf(t, "%d\t%d\t%s\t%d+%d\t%.1f ms%s\n", i+1, r.Function, where, r.Out, r.In, float64(r.Wire.Microseconds())/1000, why)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "at %s, with the silence before each frame, without the meter's own turnaround\n", baud)
	return err
}
