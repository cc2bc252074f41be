"""The endpoints, a file a group: each makes a router for a service."""
