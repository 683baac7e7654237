package main

// The load client's report.

// report is the part of the load client's JSON that is needed here.
type report struct {
	Connections struct {
		Wanted    int     `json:"wanted"`
		Open      int     `json:"open"`
		Failed    float64 `json:"failed"`
		Closed    float64 `json:"closed"`
		PerSecond float64 `json:"per_second"`
	} `json:"connections"`
	Messages struct {
		Offered    float64 `json:"offered"`
		Published  float64 `json:"published"`
		Expected   float64 `json:"expected"`
		Delivered  float64 `json:"delivered"`
		Missing    float64 `json:"missing"`
		Duplicated float64 `json:"duplicated"`
		OutOfOrder float64 `json:"out_of_order"`
	} `json:"messages"`
	Latency struct {
		P50 float64 `json:"p50"`
		P99 float64 `json:"p99"`
	} `json:"latency_ms"`
	Server struct {
		CPUSeconds             float64 `json:"cpu_seconds"`
		DeliveriesPerCPUSecond float64 `json:"deliveries_per_cpu_second"`
		BytesPerConnection     struct {
			Resident float64 `json:"resident"`
		} `json:"bytes_per_connection"`
	} `json:"server"`
	Client struct {
		CPUSeconds       float64  `json:"cpu_seconds"`
		Bottleneck       bool     `json:"bottleneck"`
		BottleneckReason string   `json:"bottleneck_reason"`
		Warnings         []string `json:"warnings"`
	} `json:"client"`
	Warnings []string `json:"warnings"`
}

// losses is how many things did not go as they must: each is shown, never hidden.
func (r report) losses() float64 {
	m := r.Messages
	return r.unpublished() + m.Missing + m.Duplicated + m.OutOfOrder + r.Connections.Failed
}

// unpublished is how many messages the server did not take, or not in time.
func (r report) unpublished() float64 { return r.Messages.Offered - r.Messages.Published }

// warnings is all that makes the figures doubtful, each once.
func (r report) warnings() []string {
	all := append(append([]string{}, r.Warnings...), r.Client.Warnings...)
	if r.Client.Bottleneck && r.Client.BottleneckReason != "" {
		all = append(all, "the load client was the bottleneck: "+r.Client.BottleneckReason)
	}
	seen := make(map[string]bool)
	var once []string
	for _, w := range all {
		if !seen[w] {
			seen[w] = true
			once = append(once, w)
		}
	}
	return once
}
