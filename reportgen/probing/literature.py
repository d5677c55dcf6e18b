"""The works that several of our probes are taken from, each stated once."""

from reportgen.probing.source import Source

CIRCUITS = "Transformer Circuits Thread"

ARDITI_2024 = Source(
    "arditi2024refusal",
    ("Andy Arditi", "Oscar Obeso", "Aaquib Syed", "Daniel Paleka", "Nina Panickssery", "Wes Gurnee", "Neel Nanda"),
    "Refusal in Language Models Is Mediated by a Single Direction",
    2024,
    "arXiv:2406.11717",
    "https://arxiv.org/abs/2406.11717",
)
BELROSE_2023 = Source(
    "belrose2023tunedlens",
    ("Nora Belrose", "others"),
    "Eliciting Latent Predictions from Transformers with the Tuned Lens",
    2023,
    "arXiv:2303.08112",
    "https://arxiv.org/abs/2303.08112",
)
BILLS_2023 = Source(
    "bills2023neurons",
    ("Steven Bills", "Nick Cammarata", "Dan Mossing", "Henk Tillman", "Leo Gao", "others"),
    "Language models can explain neurons in language models",
    2023,
    "OpenAI",
    "https://openaipublic.blob.core.windows.net/neuron-explainer/paper/index.html",
)
BRICKEN_2023 = Source(
    "bricken2023monosemanticity",
    ("Trenton Bricken", "Adly Templeton", "Joshua Batson", "Brian Chen", "Adam Jermyn", "others"),
    "Towards Monosemanticity: Decomposing Language Models With Dictionary Learning",
    2023,
    CIRCUITS,
    "https://transformer-circuits.pub/2023/monosemantic-features/index.html",
)
CHEN_2025 = Source(
    "chen2025persona",
    ("Runjin Chen", "Andy Arditi", "Henry Sleight", "Owain Evans", "Jack Lindsey"),
    "Persona Vectors: Monitoring and Controlling Character Traits in Language Models",
    2025,
    "arXiv:2507.21509",
    "https://arxiv.org/abs/2507.21509",
)
ELHAGE_2021 = Source(
    "elhage2021framework",
    ("Nelson Elhage", "Neel Nanda", "Catherine Olsson", "others"),
    "A Mathematical Framework for Transformer Circuits",
    2021,
    CIRCUITS,
    "https://transformer-circuits.pub/2021/framework/index.html",
)
ELHAGE_2022 = Source(
    "elhage2022superposition",
    ("Nelson Elhage", "Tristan Hume", "Catherine Olsson", "others"),
    "Toy Models of Superposition",
    2022,
    CIRCUITS,
    "https://transformer-circuits.pub/2022/toy_model/index.html",
)
ETHAYARAJH_2019 = Source(
    "ethayarajh2019contextual",
    ("Kawin Ethayarajh",),
    "How Contextual are Contextualized Word Representations? Comparing the Geometry of BERT, ELMo, and GPT-2 "
    "Embeddings",
    2019,
    "EMNLP-IJCNLP 2019",
    "https://arxiv.org/abs/1909.00512",
    "inproceedings",
)
FAN_2018 = Source(
    "fan2018story",
    ("Angela Fan", "Mike Lewis", "Yann Dauphin"),
    "Hierarchical Neural Story Generation",
    2018,
    "ACL 2018",
    "https://arxiv.org/abs/1805.04833",
    "inproceedings",
)
FEDUS_2022 = Source(
    "fedus2022switch",
    ("William Fedus", "Barret Zoph", "Noam Shazeer"),
    "Switch Transformers: Scaling to Trillion Parameter Models with Simple and Efficient Sparsity",
    2022,
    "Journal of Machine Learning Research 23(120)",
    "https://arxiv.org/abs/2101.03961",
    "article",
)
GEVA_2021 = Source(
    "geva2021memories",
    ("Mor Geva", "Roei Schuster", "Jonathan Berant", "Omer Levy"),
    "Transformer Feed-Forward Layers Are Key-Value Memories",
    2021,
    "EMNLP 2021",
    "https://arxiv.org/abs/2012.14913",
    "inproceedings",
)
GEVA_2022 = Source(
    "geva2022concepts",
    ("Mor Geva", "Avi Caciularu", "Kevin Ro Wang", "Yoav Goldberg"),
    "Transformer Feed-Forward Layers Build Predictions by Promoting Concepts in the Vocabulary Space",
    2022,
    "EMNLP 2022",
    "https://arxiv.org/abs/2203.14680",
    "inproceedings",
)
GHANDEHARIOUN_2024 = Source(
    "ghandeharioun2024patchscopes",
    ("Asma Ghandeharioun", "Avi Caciularu", "Adam Pearce", "Lucas Dixon", "Mor Geva"),
    "Patchscopes: A Unifying Framework for Inspecting Hidden Representations of Language Models",
    2024,
    "ICML 2024",
    "https://arxiv.org/abs/2401.06102",
    "inproceedings",
)
GROGER_2026 = Source(
    "groger2026aristotelian",
    ("Fabian Gröger", "Shuo Wen", "Maria Brbić"),
    "Revisiting the Platonic Representation Hypothesis: An Aristotelian View",
    2026,
    "arXiv:2602.14486",
    "https://arxiv.org/abs/2602.14486",
)
GU_2023 = Source(
    "gu2023mamba",
    ("Albert Gu", "Tri Dao"),
    "Mamba: Linear-Time Sequence Modeling with Selective State Spaces",
    2023,
    "arXiv:2312.00752",
    "https://arxiv.org/abs/2312.00752",
)
GU_2024 = Source(
    "gu2024sink",
    ("Xiangming Gu", "Tianyu Pang", "Chao Du", "Qian Liu", "Fengzhuo Zhang", "others"),
    "When Attention Sink Emerges in Language Models: An Empirical View",
    2024,
    "arXiv:2410.10781",
    "https://arxiv.org/abs/2410.10781",
)
HEWITT_2019 = Source(
    "hewitt2019control",
    ("John Hewitt", "Percy Liang"),
    "Designing and Interpreting Probes with Control Tasks",
    2019,
    "EMNLP-IJCNLP 2019",
    "https://arxiv.org/abs/1909.03368",
    "inproceedings",
)
HILL_1973 = Source(
    "hill1973diversity",
    ("Mark O. Hill",),
    "Diversity and Evenness: A Unifying Notation and Its Consequences",
    1973,
    "Ecology 54",
    "https://doi.org/10.2307/1934352",
    "article",
)
HOLTZMAN_2020 = Source(
    "holtzman2020degeneration",
    ("Ari Holtzman", "Jan Buys", "Li Du", "Maxwell Forbes", "Yejin Choi"),
    "The Curious Case of Neural Text Degeneration",
    2020,
    "ICLR 2020",
    "https://arxiv.org/abs/1904.09751",
    "inproceedings",
)
HUH_2024 = Source(
    "huh2024platonic",
    ("Minyoung Huh", "Brian Cheung", "Tongzhou Wang", "Phillip Isola"),
    "The Platonic Representation Hypothesis",
    2024,
    "ICML 2024",
    "https://arxiv.org/abs/2405.07987",
    "inproceedings",
)
KAPLAN_2020 = Source(
    "kaplan2020scaling",
    ("Jared Kaplan", "Sam McCandlish", "others"),
    "Scaling Laws for Neural Language Models",
    2020,
    "arXiv:2001.08361",
    "https://arxiv.org/abs/2001.08361",
)
KOBAYASHI_2020 = Source(
    "kobayashi2020norms",
    ("Goro Kobayashi", "Tatsuki Kuribayashi", "Sho Yokoi", "Kentaro Inui"),
    "Attention is Not Only a Weight: Analyzing Transformers with Vector Norms",
    2020,
    "EMNLP 2020",
    "https://arxiv.org/abs/2004.10102",
    "inproceedings",
)
KORNBLITH_2019 = Source(
    "kornblith2019similarity",
    ("Simon Kornblith", "Mohammad Norouzi", "Honglak Lee", "Geoffrey Hinton"),
    "Similarity of Neural Network Representations Revisited",
    2019,
    "ICML 2019",
    "https://arxiv.org/abs/1905.00414",
    "inproceedings",
)
LAND_2024 = Source(
    "land2024magikarp",
    ("Sander Land", "Max Bartolo"),
    "Fishing for Magikarp: Automatically Detecting Under-trained Tokens in Large Language Models",
    2024,
    "EMNLP 2024",
    "https://arxiv.org/abs/2405.05417",
    "inproceedings",
)
LEVY_2014 = Source(
    "levy2014regularities",
    ("Omer Levy", "Yoav Goldberg"),
    "Linguistic Regularities in Sparse and Explicit Word Representations",
    2014,
    "CoNLL 2014",
    "https://aclanthology.org/W14-1618/",
    "inproceedings",
)
LIEBERUM_2024 = Source(
    "lieberum2024gemmascope",
    ("Tom Lieberum", "Senthooran Rajamanoharan", "Arthur Conmy", "Lewis Smith", "Nicolas Sonnerat", "others"),
    "Gemma Scope: Open Sparse Autoencoders Everywhere All At Once on Gemma 2",
    2024,
    "arXiv:2408.05147",
    "https://arxiv.org/abs/2408.05147",
)
LI_2023 = Source(
    "li2023lazy",
    ("Zonglin Li", "Chong You", "others"),
    "The Lazy Neuron Phenomenon: On Emergence of Activation Sparsity in Transformers",
    2023,
    "ICLR 2023",
    "https://arxiv.org/abs/2210.06313",
    "inproceedings",
)
MARCHENKO_1967 = Source(
    "marchenko1967distribution",
    ("V. A. Marchenko", "L. A. Pastur"),
    "Distribution of eigenvalues for some sets of random matrices",
    1967,
    "Mathematics of the USSR-Sbornik 1(4)",
    "https://doi.org/10.1070/SM1967v001n04ABEH001994",
    "article",
)
MARTINS_2016 = Source(
    "martins2016sparsemax",
    ("André F. T. Martins", "Ramón F. Astudillo"),
    "From Softmax to Sparsemax: A Sparse Model of Attention and Multi-Label Classification",
    2016,
    "ICML 2016",
    "https://arxiv.org/abs/1602.02068",
    "inproceedings",
)
MIKOLOV_2013 = Source(
    "mikolov2013regularities",
    ("Tomas Mikolov", "Wen-tau Yih", "Geoffrey Zweig"),
    "Linguistic Regularities in Continuous Space Word Representations",
    2013,
    "NAACL-HLT 2013",
    "https://aclanthology.org/N13-1090/",
    "inproceedings",
)
MINDER_2025 = Source(
    "minder2025traces",
    ("Julian Minder", "Clément Dumas", "others"),
    "Narrow Finetuning Leaves Clearly Readable Traces in Activation Differences",
    2025,
    "arXiv:2510.13900",
    "https://arxiv.org/abs/2510.13900",
)
MURPHY_2024 = Source(
    "murphy2024cka",
    ("Alex Murphy", "Joel Zylberberg", "Alona Fyshe"),
    "Correcting Biased Centered Kernel Alignment Measures in Biological and Artificial Neural Networks",
    2024,
    "arXiv:2405.01012",
    "https://arxiv.org/abs/2405.01012",
)
NOSTALGEBRAIST_2020 = Source(
    "nostalgebraist2020lens",
    ("nostalgebraist",),
    "interpreting GPT: the logit lens",
    2020,
    "LessWrong",
    "https://www.lesswrong.com/posts/AcKRB8wDpdaN6v6ru/interpreting-gpt-the-logit-lens",
)
OLSSON_2022 = Source(
    "olsson2022induction",
    ("Catherine Olsson", "Nelson Elhage", "Neel Nanda", "Nicholas Joseph", "Nova DasSarma", "others"),
    "In-context Learning and Induction Heads",
    2022,
    CIRCUITS,
    "https://transformer-circuits.pub/2022/in-context-learning-and-induction-heads/index.html",
)
PAULO_2024 = Source(
    "paulo2024millions",
    ("Gonçalo Paulo", "Alex Mallen", "Caden Juang", "Nora Belrose"),
    "Automatically Interpreting Millions of Features in Large Language Models",
    2024,
    "arXiv:2410.13928",
    "https://arxiv.org/abs/2410.13928",
)
RAJAMANOHARAN_2024 = Source(
    "rajamanoharan2024jumprelu",
    ("Senthooran Rajamanoharan", "Tom Lieberum", "Nicolas Sonnerat", "Arthur Conmy", "others"),
    "Jumping Ahead: Improving Reconstruction Fidelity with JumpReLU Sparse Autoencoders",
    2024,
    "arXiv:2407.14435",
    "https://arxiv.org/abs/2407.14435",
)
SHAZEER_2017 = Source(
    "shazeer2017moe",
    ("Noam Shazeer", "Azalia Mirhoseini", "Krzysztof Maziarz", "Andy Davis", "Quoc Le", "Geoffrey Hinton", "Jeff Dean"),
    "Outrageously Large Neural Networks: The Sparsely-Gated Mixture-of-Experts Layer",
    2017,
    "International Conference on Learning Representations",
    "https://arxiv.org/abs/1701.06538",
    "inproceedings",
)
SONG_2012 = Source(
    "song2012dependence",
    ("Le Song", "Alex Smola", "Arthur Gretton", "Justin Bedo", "Karsten Borgwardt"),
    "Feature Selection via Dependence Maximization",
    2012,
    "Journal of Machine Learning Research 13",
    "https://jmlr.org/papers/v13/song12a.html",
    "article",
)
SUN_2024 = Source(
    "sun2024massive",
    ("Mingjie Sun", "Xinlei Chen", "J. Zico Kolter", "Zhuang Liu"),
    "Massive Activations in Large Language Models",
    2024,
    "arXiv:2402.17762",
    "https://arxiv.org/abs/2402.17762",
)
SU_2021 = Source(
    "su2021roformer",
    ("Jianlin Su", "Yu Lu", "Shengfeng Pan", "Ahmed Murtadha", "Bo Wen", "Yunfeng Liu"),
    "RoFormer: Enhanced Transformer with Rotary Position Embedding",
    2021,
    "arXiv:2104.09864",
    "https://arxiv.org/abs/2104.09864",
)
TEMPLETON_2024 = Source(
    "templeton2024scaling",
    ("Adly Templeton", "Tom Conerly", "Jonathan Marcus", "Jack Lindsey", "Trenton Bricken", "others"),
    "Scaling Monosemanticity: Extracting Interpretable Features from Claude 3 Sonnet",
    2024,
    CIRCUITS,
    "https://transformer-circuits.pub/2024/scaling-monosemanticity/index.html",
)
WANG_2022 = Source(
    "wang2022wild",
    ("Kevin Wang", "Alexandre Variengien", "Arthur Conmy", "Buck Shlegeris", "Jacob Steinhardt"),
    "Interpretability in the Wild: a Circuit for Indirect Object Identification in GPT-2 small",
    2022,
    "arXiv:2211.00593",
    "https://arxiv.org/abs/2211.00593",
)
WENDLER_2024 = Source(
    "wendler2024llamas",
    ("Chris Wendler", "Veniamin Veselovsky", "Giovanni Monea", "Robert West"),
    "Do Llamas Work in English? On the Latent Language of Multilingual Transformers",
    2024,
    "ACL 2024",
    "https://arxiv.org/abs/2402.10588",
    "inproceedings",
)
ZHANG_2024 = Source(
    "zhang2024patching",
    ("Fred Zhang", "Neel Nanda"),
    "Towards Best Practices of Activation Patching in Language Models: Metrics and Methods",
    2024,
    "ICLR 2024",
    "https://arxiv.org/abs/2309.16042",
    "inproceedings",
)
ZOU_2023 = Source(
    "zou2023repe",
    ("Andy Zou", "Long Phan", "Sarah Chen", "James Campbell", "others"),
    "Representation Engineering: A Top-Down Approach to AI Transparency",
    2023,
    "arXiv:2310.01405",
    "https://arxiv.org/abs/2310.01405",
)
