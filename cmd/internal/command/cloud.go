package command

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/ntpc-smart-community/lobby/cloud"
	"github.com/ntpc-smart-community/lobby/cloud/identity"
	"github.com/ntpc-smart-community/lobby/cloud/store"
)

// Cloud is the lobby-cloud command. look holds what all pages share.
func Cloud(version string, look fs.FS) *cobra.Command {
	root := &cobra.Command{
		Use:     "lobby-cloud",
		Short:   "The cloud of all communities: broker, log, API and pages",
		Version: version,
	}
	o := cloud.Options{Version: version, Look: look}
	root.PersistentFlags().StringVarP(&o.Data, "data", "d", "/var/lib/lobby-cloud", "folder of the keys, and of the database unless --db names one")
	root.PersistentFlags().StringVar(&o.DSN, "db", "", "database: file:/path/lobby.db or postgres://… (default: lobby.db in the data folder)")
	root.AddCommand(cloudServe(&o), cloudKeys(&o), cloudImport(&o), cloudRebuild(&o))
	return root
}

// judged marks errors that the caller can mend.
func judged(err error) error {
	if errors.Is(err, cloud.ErrOptions) || errors.Is(err, identity.ErrImport) || errors.Is(err, store.ErrDSN) {
		return badInput{err}
	}
	return err
}

func logTo(c *cobra.Command, debug bool) *slog.Logger {
	level := slog.LevelInfo
	if debug {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(c.ErrOrStderr(), &slog.HandlerOptions{Level: level}))
}

func cloudServe(o *cloud.Options) *cobra.Command {
	var debug bool
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run the cloud until it is told to stop",
		Long: "Run the cloud until it is told to stop. It prints where it listens, then: ready.\n" +
			"API and pages are plain HTTP: put a proxy with a certificate in front, and name it with --external-url.",
		Example: "  lobby-cloud serve --data /var/lib/lobby-cloud --broker-cert broker.pem --broker-key broker.key \\\n" +
			"    --client-ca gateways-ca.pem --issuer https://sign-in.example --client-id lobby --external-url https://lobby.example",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			run := *o
			run.Log = logTo(c, debug)
			run.Ready = func(a cloud.Addresses) {
				fmt.Fprintf(c.OutOrStdout(), "api http://%s\nbroker tls://%s\nmetrics http://%s\nready\n", a.API, a.Broker, a.Metrics)
			}
			return judged(cloud.Run(c.Context(), run))
		},
	}
	f := c.Flags()
	f.StringVar(&o.Listen, "listen", "127.0.0.1:8081", "address of API and pages")
	f.StringVar(&o.BrokerListen, "broker-listen", ":8883", "address of the MQTT broker")
	f.StringVar(&o.BrokerCert, "broker-cert", "", "PEM file of the broker's certificate")
	f.StringVar(&o.BrokerKey, "broker-key", "", "PEM file of its key")
	f.StringVar(&o.ClientCA, "client-ca", "", "PEM file of the CA that signs gateways' certificates")
	f.StringVar(&o.Issuer, "issuer", "", "address of the OpenID issuer where people sign in")
	f.StringVar(&o.ClientID, "client-id", "", "what this cloud is called at the issuer")
	f.StringVar(&o.ExternalURL, "external-url", "", "address of API and pages as browsers see it (default: that of --listen)")
	f.StringVar(&o.Webhook, "webhook", "", "address that takes notices (Standard Webhooks); without it the API shows them")
	f.StringVar(&o.WebhookSecret, "webhook-secret-file", "", "file with the webhook's secret, whsec_…")
	f.DurationVar(&o.TellAgain, "tell-again", 10*time.Minute, "after the database went back: what a gateway has marked delivered and is older was told before")
	f.StringVar(&o.MetricsListen, "metrics-listen", "127.0.0.1:9101", "loopback address of /metrics and /healthz")
	f.BoolVar(&debug, "debug", false, "log connections and messages too, never what is in them")
	return c
}

func cloudKeys(o *cloud.Options) *cobra.Command {
	var root, fleet string
	var renew bool
	c := &cobra.Command{
		Use:   "keys",
		Short: "Make the cloud's keys, sign their set with the offline root key, and print the root's public half",
		Long: "Make the cloud's keys, sign their set with the offline root key, and print the root's public half for the gateways.\n" +
			"The root key is made where the file is missing. Keep it away from the cloud: serve never reads it.\n" +
			"Keys that stand are left alone; --renew adds the next generation, which each quarter asks for.",
		Example: "  lobby-cloud keys --data /var/lib/lobby-cloud --root-key /media/safe/root.key --fleet new-taipei",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			for flag, value := range map[string]string{"--root-key": root, "--fleet": fleet} {
				if value == "" {
					return badInput{fmt.Errorf("%s is missing; try: %s --help", flag, c.CommandPath())}
				}
			}
			public, err := cloud.MakeKeys(*o, root, fleet, renew, time.Now())
			if err != nil {
				return judged(err)
			}
			fmt.Fprintln(c.OutOrStdout(), base64.StdEncoding.EncodeToString(public))
			return nil
		},
	}
	c.Flags().StringVar(&root, "root-key", "", "file of the offline root key")
	c.Flags().StringVar(&fleet, "fleet", "", "name of the fleet that the keys are for")
	c.Flags().BoolVar(&renew, "renew", false, "add the next generation of keys")
	return c
}

func cloudImport(o *cloud.Options) *cobra.Command {
	var check bool
	c := &cobra.Command{
		Use:   "import FILE",
		Short: "Bring a community into the database: people, gateways, carriers, guards, policy",
		Long: "Bring a community into the database: people, gateways, carriers, guards, policy. All or nothing; to import\n" +
			"the same again changes nothing. The file is YAML; faults are told with their line and column.",
		Example: "  lobby-cloud import --data /var/lib/lobby-cloud community.yaml\n  lobby-cloud import --check community.yaml",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) != 1 {
				return badInput{fmt.Errorf("%d files, want one; try: %s --help", len(args), c.CommandPath())}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			text, err := os.ReadFile(args[0])
			if err != nil {
				return badInput{err}
			}
			community, err := cloud.ReadCommunity(args[0], text)
			if err != nil {
				return judged(err)
			}
			if !check {
				run := *o
				run.Log = logTo(c, false)
				if err := cloud.Import(c.Context(), run, community, time.Now()); err != nil {
					return judged(err)
				}
			}
			fmt.Fprintf(c.OutOrStdout(), "%s: units %d, households %d, gateways %d\n",
				community.Site.ID, len(community.Units), len(community.Households), len(community.Gateways))
			return nil
		},
	}
	c.Flags().BoolVar(&check, "check", false, "only say whether the file is right")
	return c
}

func cloudRebuild(o *cloud.Options) *cobra.Command {
	return &cobra.Command{
		Use:     "rebuild",
		Short:   "Empty the projections and fill them again from the log; nobody is told of anything twice",
		Example: "  lobby-cloud rebuild --data /var/lib/lobby-cloud",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			run := *o
			run.Log = logTo(c, false)
			return judged(cloud.Rebuild(c.Context(), run))
		},
	}
}
