package check

import (
	"maps"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// loadStack reads docker-compose.yml as `docker compose` does, with all
// profiles and this environment.
func loadStack(t *testing.T, env ...string) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{root + "/docker-compose.yml"}, cli.WithProfiles([]string{"*"}), cli.WithEnv(env))
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return project
}

// TestComposeServices checks what holds for every service.
func TestComposeServices(t *testing.T) {
	t.Parallel()
	project := loadStack(t)
	want := []string{"alertmanager", "gateway", "nginx", "postgres", "prometheus"}
	if got := slices.Sorted(maps.Keys(project.Services)); !slices.Equal(got, want) {
		t.Fatalf("services are %q, want %q", got, want)
	}
	for name, service := range project.Services {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if service.HealthCheck == nil || len(service.HealthCheck.Test) < 2 || service.HealthCheck.Interval == nil || service.HealthCheck.Timeout == nil {
				t.Errorf("the health check is %+v", service.HealthCheck)
			}
			if service.Restart != "unless-stopped" {
				t.Errorf("restart is %q", service.Restart)
			}
			if !service.ReadOnly || service.Privileged {
				t.Error("the file system can be written to")
			}
			if !slices.Contains(service.CapDrop, "ALL") || !slices.Contains(service.SecurityOpt, "no-new-privileges:true") {
				t.Errorf("drops %q, with the options %q", service.CapDrop, service.SecurityOpt)
			}
			if service.Deploy == nil || service.Deploy.Resources.Limits == nil ||
				service.Deploy.Resources.Limits.MemoryBytes == 0 || service.Deploy.Resources.Limits.NanoCPUs == 0 {
				t.Error("memory or CPU has no limit")
			}
			if service.Build == nil && !regexp.MustCompile(`:v?\d`).MatchString(service.Image) {
				t.Errorf("the image %s has no version", service.Image)
			}
			checkMounts(t, service)
		})
	}
}

// checkMounts fails the test if the service mounts a file that is not shipped,
// or could change it.
func checkMounts(t *testing.T, service types.ServiceConfig) {
	t.Helper()
	for _, v := range service.Volumes {
		if v.Type != types.VolumeTypeBind {
			continue
		}
		if !v.ReadOnly {
			t.Errorf("%s can be written to", v.Source)
		}
		if _, err := os.Stat(v.Source); err != nil {
			t.Error(err)
		}
	}
}

// TestComposeStack checks what the documentation says of the stack.
func TestComposeStack(t *testing.T) {
	t.Parallel()
	project := loadStack(t)
	gateway := project.Services["gateway"]

	t.Run("three gateways start with their arguments", func(t *testing.T) {
		t.Parallel()
		if n := gateway.GetScale(); n != 3 {
			t.Errorf("%d replicas", n)
		}
		startGateway(t, gateway.Command...)
	})

	t.Run("gateways may take their time to end", func(t *testing.T) {
		t.Parallel()
		checkEnd(t, gateway.Command, time.Duration(*gateway.StopGracePeriod))
	})

	t.Run("the database and the gateways are reached from inside only", func(t *testing.T) {
		t.Parallel()
		published := map[string]string{"nginx": "9091", "prometheus": "9090", "alertmanager": "9093"}
		for name, service := range project.Services {
			var ports []string
			for _, p := range service.Ports {
				ports = append(ports, p.Published)
			}
			if got := strings.Join(ports, ","); got != published[name] {
				t.Errorf("%s is published on %q, want %q", name, got, published[name])
			}
			_, edge := service.Networks["edge"]
			if _, public := published[name]; edge != public {
				t.Errorf("%s is in the networks %v", name, service.NetworksByPriority())
			}
		}
		if !project.Networks["backend"].Internal {
			t.Error("the network of the database is not an internal one")
		}
	})

	t.Run("only alerting is by choice", func(t *testing.T) {
		t.Parallel()
		for name, service := range project.Services {
			if got, want := len(service.Profiles) > 0, name == "alertmanager"; got != want {
				t.Errorf("%s has the profiles %q", name, service.Profiles)
			}
		}
	})

	t.Run("the proxies that are trusted are the inner network", func(t *testing.T) {
		t.Parallel()
		const subnet = "10.1.2.0/24"
		project := loadStack(t, "SUBNET="+subnet)
		if got := project.Networks["backend"].Ipam.Config[0].Subnet; got != subnet {
			t.Errorf("the subnet is %s", got)
		}
		if !slices.Contains(project.Services["gateway"].Command, "--web.trusted-proxies="+subnet) {
			t.Errorf("the gateway has the arguments %q", project.Services["gateway"].Command)
		}
	})

	t.Run("all passwords come from the environment", func(t *testing.T) {
		t.Parallel()
		const password = "from the environment"
		found := 0
		for name, service := range loadStack(t, "POSTGRES_PASSWORD="+password).Services {
			for variable, value := range service.Environment {
				if value == nil {
					t.Errorf("%s: %s has no value", name, variable)
					continue
				}
				if strings.Contains(variable, "PASSWORD") {
					if found++; *value != password {
						t.Errorf("%s: %s has a value of its own", name, variable)
					}
				}
				if u, err := url.Parse(*value); err == nil && u.User != nil {
					if _, set := u.User.Password(); set {
						t.Errorf("%s: %s has a password", name, variable)
					}
				}
			}
		}
		if found < 2 {
			t.Errorf("%d passwords found", found)
		}
	})
}
