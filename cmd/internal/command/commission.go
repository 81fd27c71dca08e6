package command

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ntpc-smart-community/lobby/gateway"
	"github.com/ntpc-smart-community/lobby/gateway/commission"
	"github.com/ntpc-smart-community/lobby/gateway/config"
)

func gatewayCommission(file, data *string) *cobra.Command {
	var o gateway.Commissioning
	c := &cobra.Command{
		Use:   "commission --bank A",
		Short: "Walk through a locker bank with an installer: find out which lock is which door, and what its bits mean",
		Long: `Walk through a locker bank with an installer who stands before it. Each lock is opened in turn, on Enter; the installer says
which door moved and closes it again. From that come closed_bit and the lock of each door, which are written into the
configuration at the end, after they were shown; everything else in the file stays as it is, and the old file is kept as
gateway.yaml` + commission.Old + `.

Bank, boards and doors (columns) must stand in the configuration; closed_bit may be missing. Stop lobby-gateway first. Doors
with a parcel behind them are opened only if their number is typed. A walk that was stopped goes on where it was, and until
everything is known nothing is written.

Exit code 0 when the configuration is right, 1 when the walk was stopped or something is in the way, 2 when the configuration
is wrong.`,
		Example: `  lobby-gateway commission --bank A
  lobby-gateway commission --bank A --sensors --config /etc/lobby/gateway.yaml --data /var/lib/lobby
  lobby-gateway commission --bank B --again --lang en`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			switch o.Lang {
			case "":
				o.Lang = langOf(os.Getenv("LANG"))
			case commission.Chinese, commission.English:
			default:
				return badInput{fmt.Errorf("--lang %q: use %s or %s", o.Lang, commission.Chinese, commission.English)}
			}
			if o.Bank == "" {
				return badInput{errors.New("--bank is missing: name the bank, as on its front; try: lobby-gateway commission --bank A")}
			}
			o.Config, o.Data, o.In, o.Out = *file, *data, c.InOrStdin(), c.OutOrStdout()
			o.Flush = dropTyped(o.In)
			err := gateway.Commission(c.Context(), o)
			switch {
			case errors.Is(err, commission.ErrLeft):
				return errSaid
			case errors.Is(err, commission.ErrPlan), errors.Is(err, config.ErrUnreadable):
				return badInput{err}
			}
			return err
		},
	}
	c.Flags().StringVar(&o.Bank, "bank", "", "the bank, as on its front: A")
	c.Flags().BoolVar(&o.Again, "again", false, "start anew, and forget what an earlier walk has learnt")
	c.Flags().BoolVar(&o.Sensors, "sensors", false, "learn item_sensors too, by a hand held inside each compartment")
	c.Flags().StringVar(&o.Lang, "lang", "", "zh-TW or en (default by LANG, zh-TW if that says neither)")
	return c
}

// langOf is the language that a LANG such as en_GB.UTF-8 asks for.
func langOf(lang string) string {
	if strings.HasPrefix(lang, "en") {
		return commission.English
	}
	return commission.Chinese
}
