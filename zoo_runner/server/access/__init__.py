"""Who calls and what they may do: tokens of a provider of identities, members of workspaces, the policy of an agent."""
