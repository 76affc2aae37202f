// Package kubernetes holds the manifests against the types of Kubernetes and
// against what the README promises of them. It is a module of its own, so that nobody else
// needs those types.
package kubernetes

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// workload is what runs pods.
type workload struct {
	kind, name string
	selector   *metav1.LabelSelector
	template   corev1.PodTemplateSpec
}

// cluster is what one kustomization makes.
type cluster struct {
	workloads   []workload
	services    []corev1.Service
	configs     map[string]corev1.ConfigMap
	claims      map[string]corev1.PersistentVolumeClaim
	namespaces  []corev1.Namespace
	budgets     []policyv1.PodDisruptionBudget
	autoscalers []autoscalingv2.HorizontalPodAutoscaler
	policies    []networkingv1.NetworkPolicy
}

// decode reads a manifest as its type, and wants no field that the type has not, or
// that is given twice.
func decode[T any](t *testing.T, text []byte) T {
	t.Helper()
	var v T
	if err := yaml.UnmarshalStrict(text, &v); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return v
}

// add decodes one manifest.
func (c *cluster) add(t *testing.T, kind string, text []byte) {
	t.Helper()
	switch kind {
	case "apps/v1 Deployment":
		d := decode[appsv1.Deployment](t, text)
		c.workloads = append(c.workloads, workload{d.Kind, d.Name, d.Spec.Selector, d.Spec.Template})
	case "apps/v1 DaemonSet":
		d := decode[appsv1.DaemonSet](t, text)
		c.workloads = append(c.workloads, workload{d.Kind, d.Name, d.Spec.Selector, d.Spec.Template})
	case "v1 Service":
		c.services = append(c.services, decode[corev1.Service](t, text))
	case "v1 ConfigMap":
		m := decode[corev1.ConfigMap](t, text)
		c.configs[m.Name] = m
	case "v1 PersistentVolumeClaim":
		p := decode[corev1.PersistentVolumeClaim](t, text)
		c.claims[p.Name] = p
	case "v1 Namespace":
		c.namespaces = append(c.namespaces, decode[corev1.Namespace](t, text))
	case "policy/v1 PodDisruptionBudget":
		c.budgets = append(c.budgets, decode[policyv1.PodDisruptionBudget](t, text))
	case "autoscaling/v2 HorizontalPodAutoscaler":
		c.autoscalers = append(c.autoscalers, decode[autoscalingv2.HorizontalPodAutoscaler](t, text))
	case "networking.k8s.io/v1 NetworkPolicy":
		c.policies = append(c.policies, decode[networkingv1.NetworkPolicy](t, text))
	default:
		t.Errorf("Nobody checks a %s", kind)
	}
}

// build makes what kubectl apply -k would send.
func build(t *testing.T, dir string) *cluster {
	t.Helper()
	all, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{configs: map[string]corev1.ConfigMap{}, claims: map[string]corev1.PersistentVolumeClaim{}}
	for _, r := range all.Resources() {
		if ns := r.GetNamespace(); ns != "nonudify" && r.GetKind() != "Namespace" {
			t.Errorf("%s %s is in the namespace %q", r.GetKind(), r.GetName(), ns)
		}
		c.add(t, r.GetApiVersion()+" "+r.GetKind(), []byte(r.MustYaml()))
	}
	if len(c.workloads) == 0 {
		t.Fatal("Nothing runs")
	}
	return c
}

// kustomizations are the folders that can be applied.
func kustomizations(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("*/kustomization.yaml")
	if err != nil || len(files) < 3 {
		t.Fatalf("%v: %v", files, err)
	}
	var dirs []string
	for _, f := range files {
		dirs = append(dirs, filepath.Dir(f))
	}
	return dirs
}

func TestManifests(t *testing.T) {
	for _, dir := range kustomizations(t) {
		t.Run(dir, func(t *testing.T) {
			c := build(t, dir)
			for _, w := range c.workloads {
				t.Run(w.name, func(t *testing.T) {
					w.checkSecurity(t)
					w.checkCorefile(t, c)
					w.checkProbes(t)
					w.checkVolumes(t, c)
					w.checkPolicy(t, c)
				})
			}
			c.checkServices(t)
			c.checkBudgets(t)
			c.checkAutoscalers(t)
			c.checkUsed(t)
		})
	}
}

// container returns the only container of a workload.
func (w workload) container(t *testing.T) corev1.Container {
	t.Helper()
	spec := w.template.Spec
	if len(spec.Containers) != 1 || len(spec.InitContainers) != 0 {
		t.Fatal("Want one container")
	}
	return spec.Containers[0]
}

// matches reports whether a selector chooses the pods of a workload.
func (w workload) matches(t *testing.T, s *metav1.LabelSelector) bool {
	t.Helper()
	selector, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		t.Fatal(err)
	}
	return selector.Matches(labels.Set(w.template.Labels))
}

// checkSecurity: no root, no privileges, nothing to write to but volumes, no key to
// the cluster. These are also what the "restricted" level of a namespace asks for.
func (w workload) checkSecurity(t *testing.T) {
	spec, c := w.template.Spec, w.container(t)
	pod, own := spec.SecurityContext, c.SecurityContext
	for promise, kept := range map[string]bool{
		"a user that is not root":       pod != nil && *pod.RunAsNonRoot && *pod.RunAsUser > 0 && *pod.RunAsGroup > 0,
		"seccomp RuntimeDefault":        pod.SeccompProfile != nil && pod.SeccompProfile.Type == corev1.SeccompProfileTypeRuntimeDefault,
		"a read-only root":              own != nil && *own.ReadOnlyRootFilesystem,
		"no more privileges":            own.AllowPrivilegeEscalation != nil && !*own.AllowPrivilegeEscalation && own.Privileged == nil,
		"no capabilities":               slices.Equal(own.Capabilities.Drop, []corev1.Capability{"ALL"}) && len(own.Capabilities.Add) == 0,
		"no token of the cluster":       spec.AutomountServiceAccountToken != nil && !*spec.AutomountServiceAccountToken,
		"nothing of the host's":         !spec.HostNetwork && !spec.HostPID && !spec.HostIPC,
		"a selector of its own pods":    w.matches(t, w.selector),
		"a request of the processor":    !c.Resources.Requests.Cpu().IsZero(),
		"no limit of the processor":     c.Resources.Limits.Cpu().IsZero(),
		"memory that is asked for":      !c.Resources.Requests.Memory().IsZero() && c.Resources.Requests.Memory().Cmp(*c.Resources.Limits.Memory()) <= 0,
		"a limit below that of the pod": below(c),
	} {
		if !kept {
			t.Errorf("It does not have %s", promise)
		}
	}
}

// below reports whether GOMEMLIMIT is less than the limit of the container.
func below(c corev1.Container) bool {
	for _, e := range c.Env {
		if e.Name == "GOMEMLIMIT" {
			limit, err := resource.ParseQuantity(strings.TrimSuffix(e.Value, "B"))
			return err == nil && limit.Cmp(*c.Resources.Limits.Memory()) < 0
		}
	}
	return false
}

// corefile returns what the container reads, out of the ConfigMap that it mounts.
func (w workload) corefile(t *testing.T, c *cluster) string {
	t.Helper()
	args := w.container(t).Args
	if len(args) != 2 || args[0] != "-conf" {
		t.Fatalf("The arguments are %q", args)
	}
	v := w.volume(t, filepath.Dir(args[1]))
	if v.ConfigMap == nil {
		t.Fatalf("%s is in no ConfigMap", args[1])
	}
	text, ok := c.configs[v.ConfigMap.Name].Data[filepath.Base(args[1])]
	if !ok {
		t.Fatalf("The ConfigMap %s has no %s", v.ConfigMap.Name, args[1])
	}
	return text
}

// volume returns the volume that is mounted at a path, or above it.
func (w workload) volume(t *testing.T, path string) corev1.Volume {
	t.Helper()
	for _, m := range w.container(t).VolumeMounts {
		if path != m.MountPath && !strings.HasPrefix(path, m.MountPath+"/") {
			continue
		}
		for _, v := range w.template.Spec.Volumes {
			if v.Name == m.Name {
				return v
			}
		}
	}
	t.Fatalf("Nothing is mounted at %s", path)
	return corev1.Volume{}
}

// ports are those that a Corefile listens on, with what listens there.
func ports(corefile string) map[string]string {
	found := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^(tls://)?\.:(\d+) \{`).FindAllStringSubmatch(corefile, -1) {
		if m[1] != "" {
			found[m[2]+"/TCP"] = "dns-tls"
		} else {
			found[m[2]+"/TCP"], found[m[2]+"/UDP"] = "dns-tcp", "dns"
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^ +(health|ready|prometheus) :(\d+)`).FindAllStringSubmatch(corefile, -1) {
		found[m[2]+"/TCP"] = strings.Replace(m[1], "prometheus", "metrics", 1)
	}
	return found
}

// checkCorefile: it is the file beside the manifests, which the resolver's own tests
// start, and the ports and times are those of the pod.
func (w workload) checkCorefile(t *testing.T, c *cluster) {
	corefile := w.corefile(t, c)
	component := w.template.Labels["app.kubernetes.io/component"]
	if file, err := os.ReadFile(filepath.Join(component, "Corefile")); err != nil || string(file) != corefile {
		t.Errorf("The ConfigMap does not have %s/Corefile: %v", component, err)
	}
	want, got := ports(corefile), map[string]string{}
	for _, p := range w.container(t).Ports {
		got[fmt.Sprintf("%d/%s", p.ContainerPort, p.Protocol)] = p.Name
	}
	if !maps.Equal(got, want) {
		t.Errorf("The ports of the container are %v, those of the Corefile %v", got, want)
	}
	lameduck, err := time.ParseDuration(regexp.MustCompile(`lameduck (\S+)`).FindStringSubmatch(corefile)[1])
	if grace := w.template.Spec.TerminationGracePeriodSeconds; err != nil || lameduck < time.Second || *grace < int64(lameduck.Seconds())+10 {
		t.Errorf("Lameduck is %v, %v, and the pod is killed after %d s", lameduck, err, *grace)
	}
	for _, path := range regexp.MustCompile(`/(?:etc/nonudify|var/lib)/[\w./-]+`).FindAllString(corefile, -1) {
		w.volume(t, path)
	}
	for _, m := range regexp.MustCompile(`\{\$(\w+)\}`).FindAllStringSubmatch(corefile, -1) {
		if !slices.ContainsFunc(w.container(t).Env, func(e corev1.EnvVar) bool { return e.Name == m[1] && e.ValueFrom.SecretKeyRef != nil }) {
			t.Errorf("No secret gives %s", m[1])
		}
	}
}

// checkProbes: traffic hangs on the list, the life of the pod on the server alone.
func (w workload) checkProbes(t *testing.T) {
	c := w.container(t)
	for name, p := range map[string]struct {
		probe *corev1.Probe
		want  string
	}{"ready": {c.ReadinessProbe, "/ready ready"}, "live": {c.LivenessProbe, "/health health"}, "started": {c.StartupProbe, "/health health"}} {
		if p.probe == nil || p.probe.HTTPGet == nil || p.probe.HTTPGet.Path+" "+p.probe.HTTPGet.Port.StrVal != p.want {
			t.Errorf("Whether it is %s is not asked of %q", name, p.want)
		}
	}
}

// checkVolumes: what can be written is the state alone, and what is secret comes out
// of secrets that the README tells how to make.
func (w workload) checkVolumes(t *testing.T, c *cluster) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range w.container(t).VolumeMounts {
		if !m.ReadOnly && m.MountPath != "/var/lib/nonudify" {
			t.Errorf("%s can be written", m.MountPath)
		}
	}
	var secrets []string
	for _, v := range w.template.Spec.Volumes {
		switch {
		case v.Secret != nil:
			secrets = append(secrets, v.Secret.SecretName)
		case v.PersistentVolumeClaim != nil:
			if _, ok := c.claims[v.PersistentVolumeClaim.ClaimName]; !ok {
				t.Errorf("Nobody claims %s", v.PersistentVolumeClaim.ClaimName)
			}
		case v.EmptyDir != nil && v.EmptyDir.SizeLimit == nil:
			t.Errorf("%s has no limit", v.Name)
		}
	}
	for _, e := range w.container(t).Env {
		if e.ValueFrom != nil {
			secrets = append(secrets, e.ValueFrom.SecretKeyRef.Name)
		}
	}
	for _, s := range secrets {
		if !bytes.Contains(readme, []byte(" "+s+" ")) {
			t.Errorf("The README does not say how to make the secret %s", s)
		}
	}
}

// checkPolicy: one policy for the pods, both ways, with the ports that there are and
// nothing open to everybody. Whoever the Corefile asks can be reached.
func (w workload) checkPolicy(t *testing.T, c *cluster) {
	i := slices.IndexFunc(c.policies, func(p networkingv1.NetworkPolicy) bool { return w.matches(t, &p.Spec.PodSelector) })
	if i < 0 {
		t.Fatal("No policy is for these pods")
	}
	p := c.policies[i].Spec
	if len(p.PolicyTypes) != 2 {
		t.Errorf("The policy is for %v only", p.PolicyTypes)
	}
	for _, in := range p.Ingress {
		if len(in.From) == 0 || len(in.Ports) == 0 {
			t.Error("It lets in everybody, or to all ports")
		}
		for _, port := range in.Ports {
			if !w.has(t, *port.Port, *port.Protocol) {
				t.Errorf("It lets in to %v/%v, where nobody listens", port.Port, *port.Protocol)
			}
		}
	}
	reached := map[string]bool{}
	for _, out := range p.Egress {
		if len(out.To) == 0 || len(out.Ports) == 0 {
			t.Error("It lets out to everybody, or to all ports")
		}
		for _, to := range out.To {
			if to.IPBlock != nil {
				reached[to.IPBlock.CIDR] = true
			}
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^ +(?:forward \.|bootstrap) ([\d. ]+?)(?: \{)?$`).FindAllStringSubmatch(w.corefile(t, c), -1) {
		for address := range strings.FieldsSeq(m[1]) {
			if !reached[address+"/32"] {
				t.Errorf("The policy does not let out to %s", address)
			}
		}
	}
}

// has reports whether a port of the container has that name.
func (w workload) has(t *testing.T, port intstr.IntOrString, protocol corev1.Protocol) bool {
	t.Helper()
	return slices.ContainsFunc(w.container(t).Ports, func(p corev1.ContainerPort) bool {
		return p.Name == port.StrVal && p.Protocol == protocol
	})
}

// behind returns the workload that a selector chooses, which must be one.
func (c *cluster) behind(t *testing.T, s *metav1.LabelSelector) (workload, bool) {
	t.Helper()
	var found []workload
	for _, w := range c.workloads {
		if w.matches(t, s) {
			found = append(found, w)
		}
	}
	if len(found) != 1 {
		t.Errorf("%v chooses the pods of %d workloads", s.MatchLabels, len(found))
		return workload{}, false
	}
	return found[0], true
}

func (c *cluster) checkServices(t *testing.T) {
	for _, s := range c.services {
		w, ok := c.behind(t, &metav1.LabelSelector{MatchLabels: s.Spec.Selector})
		if !ok {
			continue
		}
		for _, p := range s.Spec.Ports {
			if !w.has(t, p.TargetPort, p.Protocol) {
				t.Errorf("%s: nobody listens at %s", s.Name, p.TargetPort.StrVal)
			}
		}
		if s.Spec.Type == corev1.ServiceTypeLoadBalancer && s.Spec.ExternalTrafficPolicy != corev1.ServiceExternalTrafficPolicyLocal {
			t.Errorf("%s loses the addresses of clients", s.Name)
		}
	}
}

// checkBudgets: the resolvers have one, and it lets a node be emptied.
func (c *cluster) checkBudgets(t *testing.T) {
	resolvers := 0
	for _, b := range c.budgets {
		if w, ok := c.behind(t, b.Spec.Selector); ok && w.name == "nonudify-resolver" {
			resolvers++
		}
		if b.Spec.MaxUnavailable == nil || b.Spec.MaxUnavailable.IntVal < 1 {
			t.Errorf("%s lets no node be emptied", b.Name)
		}
	}
	if slices.ContainsFunc(c.workloads, func(w workload) bool { return w.name == "nonudify-resolver" }) && resolvers != 1 {
		t.Errorf("The resolvers have %d budgets", resolvers)
	}
}

// checkAutoscalers: a Deployment without a number of its own has one, by the
// processor, and nothing else has.
func (c *cluster) checkAutoscalers(t *testing.T) {
	for _, a := range c.autoscalers {
		ref := a.Spec.ScaleTargetRef
		if !slices.ContainsFunc(c.workloads, func(w workload) bool { return w.kind == ref.Kind && w.name == ref.Name }) {
			t.Errorf("%s scales %s %s, which is not there", a.Name, ref.Kind, ref.Name)
		}
		m := a.Spec.Metrics[0]
		if m.Resource == nil || m.Resource.Name != corev1.ResourceCPU || *a.Spec.MinReplicas < 2 || a.Spec.MaxReplicas <= *a.Spec.MinReplicas {
			t.Errorf("%s does not scale by the processor, from 2 on", a.Name)
		}
	}
}

// checkUsed: every policy and every ConfigMap is for something.
func (c *cluster) checkUsed(t *testing.T) {
	for _, p := range c.policies {
		c.behind(t, &p.Spec.PodSelector)
	}
	for name := range c.configs {
		if !slices.ContainsFunc(c.workloads, func(w workload) bool {
			return slices.ContainsFunc(w.template.Spec.Volumes, func(v corev1.Volume) bool { return v.ConfigMap != nil && v.ConfigMap.Name == name })
		}) {
			t.Errorf("Nobody reads the ConfigMap %s", name)
		}
	}
}

// rollout returns how a resolver is replaced by the next.
func rollout(t *testing.T, dir string) (surge, unavailable *intstr.IntOrString) {
	t.Helper()
	all, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all.Resources() {
		switch text := []byte(r.MustYaml()); {
		case r.GetName() != "nonudify-resolver":
		case r.GetKind() == "Deployment":
			d := decode[appsv1.Deployment](t, text).Spec
			if d.Replicas != nil {
				t.Error("The Deployment has a number of pods, which each apply would set again")
			}
			return d.Strategy.RollingUpdate.MaxSurge, d.Strategy.RollingUpdate.MaxUnavailable
		case r.GetKind() == "DaemonSet":
			d := decode[appsv1.DaemonSet](t, text).Spec
			return d.UpdateStrategy.RollingUpdate.MaxSurge, d.UpdateStrategy.RollingUpdate.MaxUnavailable
		}
	}
	t.Fatalf("%s has no resolver", dir)
	return nil, nil
}

// TestRollout: a resolver goes only when the next one is ready.
func TestRollout(t *testing.T) {
	for _, dir := range []string{"resolver", "node", "example"} {
		if surge, unavailable := rollout(t, dir); surge.IntVal < 1 || unavailable.IntVal != 0 {
			t.Errorf("%s: %v more and %v fewer than there are to be", dir, surge, unavailable)
		}
	}
}

// TestExample: what an operator copies has a namespace for restricted pods, and the
// image of his own.
func TestExample(t *testing.T) {
	c := build(t, "example")
	if len(c.namespaces) != 1 || c.namespaces[0].Name != "nonudify" || c.namespaces[0].Labels["pod-security.kubernetes.io/enforce"] != "restricted" {
		t.Errorf("The namespaces are %v", c.namespaces)
	}
	for _, w := range c.workloads {
		if image := w.container(t).Image; image == "nonudify" || !strings.Contains(image, ":") {
			t.Errorf("%s has the image %q", w.name, image)
		}
	}
}

// TestStrict: a manifest with a word that Kubernetes does not know would be refused
// here, so that what passes above means something.
func TestStrict(t *testing.T) {
	var d appsv1.Deployment
	if err := yaml.UnmarshalStrict([]byte("spec:\n  replica: 1\n"), &d); err == nil {
		t.Error("A field that does not exist was taken")
	}
}
