package check

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/yaml"
	strict "sigs.k8s.io/yaml"
)

// manifests are the objects of deploy/kubernetes.
type manifests struct {
	deployment *appsv1.Deployment
	service    *corev1.Service
	budget     *policyv1.PodDisruptionBudget
	pushed     *monitoring.ServiceMonitor
	own        *monitoring.PodMonitor
}

// loadManifests reads the manifests as the API server does with strict
// validation: unknown kinds and fields, and fields given twice, are errors.
func loadManifests(t *testing.T) manifests {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		appsv1.AddToScheme, corev1.AddToScheme, policyv1.AddToScheme, monitoring.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	paths, err := filepath.Glob(root + "/deploy/kubernetes/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var all manifests
	for _, path := range paths {
		if filepath.Base(path) == "kustomization.yaml" {
			continue
		}
		documents := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(read(t, "deploy/kubernetes", filepath.Base(path)))))
		for {
			document, err := documents.Read()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			object, _, err := decoder.Decode(document, nil, nil)
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			all.add(t, object)
		}
	}
	if all.deployment == nil || all.service == nil || all.budget == nil || all.pushed == nil || all.own == nil {
		t.Fatalf("a manifest is missing: %+v", all)
	}
	return all
}

func (m *manifests) add(t *testing.T, object runtime.Object) {
	t.Helper()
	switch o := object.(type) {
	case *appsv1.Deployment:
		m.deployment = o
	case *corev1.Service:
		m.service = o
	case *policyv1.PodDisruptionBudget:
		m.budget = o
	case *monitoring.ServiceMonitor:
		m.pushed = o
	case *monitoring.PodMonitor:
		m.own = o
	default:
		t.Fatalf("a %T is not expected: check it, too", o)
	}
}

// TestKubernetesManifests checks that the manifests belong together and keep
// what the documentation says of them.
func TestKubernetesManifests(t *testing.T) {
	t.Parallel()
	m := loadManifests(t)
	pod := m.deployment.Spec.Template
	container := pod.Spec.Containers[0]

	t.Run("the gateway starts with the container's arguments", func(t *testing.T) {
		t.Parallel()
		startGateway(t, container.Args...)
	})

	t.Run("a pod may take its time to end", func(t *testing.T) {
		t.Parallel()
		checkEnd(t, container.Args, time.Duration(*pod.Spec.TerminationGracePeriodSeconds)*time.Second)
	})

	t.Run("all of them select the pods", func(t *testing.T) {
		t.Parallel()
		for what, selector := range map[string]map[string]string{
			"Deployment":          m.deployment.Spec.Selector.MatchLabels,
			"Service":             m.service.Spec.Selector,
			"PodDisruptionBudget": m.budget.Spec.Selector.MatchLabels,
			"PodMonitor":          m.own.Spec.Selector.MatchLabels,
			"topology spread":     pod.Spec.TopologySpreadConstraints[0].LabelSelector.MatchLabels,
		} {
			if len(selector) == 0 || !labels.SelectorFromSet(selector).Matches(labels.Set(pod.Labels)) {
				t.Errorf("the %s selects %v, the pods have %v", what, selector, pod.Labels)
			}
		}
		if selector := m.pushed.Spec.Selector.MatchLabels; !labels.SelectorFromSet(selector).Matches(labels.Set(m.service.Labels)) {
			t.Errorf("the ServiceMonitor selects %v, the service has %v", selector, m.service.Labels)
		}
	})

	t.Run("ports go by a name that the container and the service have", func(t *testing.T) {
		t.Parallel()
		name := container.Ports[0].Name
		port := m.service.Spec.Ports[0]
		for what, got := range map[string]string{
			"the service": port.Name, "its target": port.TargetPort.String(),
			"the ServiceMonitor": m.pushed.Spec.Endpoints[0].Port, "the PodMonitor": *m.own.Spec.PodMetricsEndpoints[0].Port,
			"readiness": container.ReadinessProbe.HTTPGet.Port.String(),
			"liveness":  container.LivenessProbe.HTTPGet.Port.String(), "the start": container.StartupProbe.HTTPGet.Port.String(),
		} {
			if got != name {
				t.Errorf("%s has the port %q, want %q", what, got, name)
			}
		}
	})

	t.Run("a rolling update leaves no request without a pod", func(t *testing.T) {
		t.Parallel()
		if n := *m.deployment.Spec.Replicas; n != 3 {
			t.Errorf("%d replicas", n)
		}
		if n := m.deployment.Spec.Strategy.RollingUpdate.MaxUnavailable.IntValue(); n != 0 {
			t.Errorf("%d pods may be away in a rolling update", n)
		}
		if n := m.budget.Spec.MaxUnavailable.IntValue(); n != 1 {
			t.Errorf("%d pods may be evicted at once", n)
		}
	})

	t.Run("only readiness depends on the database", func(t *testing.T) {
		t.Parallel()
		for what, c := range map[string]struct{ got, want string }{
			"readiness": {container.ReadinessProbe.HTTPGet.Path, "/-/ready"},
			"liveness":  {container.LivenessProbe.HTTPGet.Path, "/-/healthy"},
			"the start": {container.StartupProbe.HTTPGet.Path, "/-/healthy"},
		} {
			if c.got != c.want {
				t.Errorf("%s asks %s, want %s", what, c.got, c.want)
			}
		}
	})

	t.Run("pods are restricted, and have a limit of memory", func(t *testing.T) {
		t.Parallel()
		p, c := pod.Spec.SecurityContext, container.SecurityContext
		if !*p.RunAsNonRoot || *p.RunAsUser == 0 || p.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
			t.Errorf("the pod's security context is %v", p)
		}
		if *c.AllowPrivilegeEscalation || !*c.ReadOnlyRootFilesystem || !slices.Equal(c.Capabilities.Drop, []corev1.Capability{"ALL"}) {
			t.Errorf("the container's security context is %v", c)
		}
		if *pod.Spec.AutomountServiceAccountToken {
			t.Error("the pod gets a token of the API server")
		}
		if container.Resources.Requests.Memory().IsZero() || container.Resources.Limits.Memory().IsZero() {
			t.Errorf("the resources are %v", container.Resources)
		}
	})

	t.Run("the database's URL comes from a secret that is not shipped", func(t *testing.T) {
		t.Parallel()
		i := slices.IndexFunc(container.Env, func(e corev1.EnvVar) bool { return e.Name == "DATABASE_URL" })
		if i < 0 || container.Env[i].ValueFrom == nil || container.Env[i].ValueFrom.SecretKeyRef == nil {
			t.Errorf("the environment is %v", container.Env)
		}
	})

	t.Run("the kustomization has them all", func(t *testing.T) {
		t.Parallel()
		var k struct {
			APIVersion string   `json:"apiVersion"`
			Kind       string   `json:"kind"`
			Resources  []string `json:"resources"`
			Images     []struct {
				Name, NewName, NewTag string
			} `json:"images"`
		}
		if err := strict.UnmarshalStrict(read(t, "deploy/kubernetes/kustomization.yaml"), &k); err != nil {
			t.Fatal(err)
		}
		slices.Sort(k.Resources)
		if want := []string{"deployment.yaml", "pdb.yaml", "service.yaml"}; !slices.Equal(k.Resources, want) {
			t.Errorf("resources are %q, want %q", k.Resources, want)
		}
		if len(k.Images) != 1 || k.Images[0].Name != container.Image {
			t.Errorf("images are %+v, the container's is %s", k.Images, container.Image)
		}
	})
}

// TestOneTargetForWhatWasPushed lets Prometheus relabel the pods as the
// ServiceMonitor says. They must become one and the same target: three would
// write each pushed series three times.
func TestOneTargetForWhatWasPushed(t *testing.T) {
	t.Parallel()
	endpoint := loadManifests(t).pushed.Spec.Endpoints[0]
	if !endpoint.HonorLabels || endpoint.Path != "/metrics" {
		t.Errorf("the endpoint is %+v", endpoint)
	}
	targets := discover(t, endpoint.RelabelConfigs, 3)
	want := map[string]string{
		"__address__": "sqlpushgateway.monitoring.svc:9091", "instance": "sqlpushgateway.monitoring.svc:9091", "job": "pushgateway",
	}
	if len(targets) != 3 {
		t.Fatalf("targets are %v", targets)
	}
	for _, target := range targets {
		maps.DeleteFunc(target, func(name, _ string) bool {
			return strings.HasPrefix(name, "__") && name != "__address__"
		})
		if !maps.Equal(target, want) {
			t.Errorf("a target has the labels %v, want %v", target, want)
		}
	}
}
