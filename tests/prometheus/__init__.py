"""What Prometheus and Grafana are given: rules and dashboard, held to a real Prometheus that scrapes a real proxy."""
