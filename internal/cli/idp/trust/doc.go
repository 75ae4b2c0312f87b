// Package trust has the commands of pachctl idp trust: which workloads of other
// issuers, such as Kubernetes and CI systems, may act as which robot.
package trust
